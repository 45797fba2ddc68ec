"""Samples of combined data sets: visibilities with and without weights in a batch, and joints that a data set does not have."""
from typing import Any, List

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from rsn_mm.models import MultiStageHead
from rsn_mm.models.targets import never_labelled, stack_visible

CODEC = dict(type='rsn_mm.QuarterOffsetHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5)


def sample(*absent: int, converted: bool = True) -> Any:
    """Four joints; a converter gives those that its data set does not have the weight 0."""
    flags = np.ones((1, 4), np.float32)
    flags[:, list(absent)] = 0
    one = PoseDataSample()
    one.gt_instances = InstanceData(transformed_keypoints=np.full((1, 4, 2), 20., np.float32),
                                    keypoints_visible=np.stack([flags, flags], axis=2) if converted else flags)
    return one


def test_both_forms_in_one_batch() -> None:
    assert stack_visible([sample(converted=False), sample(1)]).tolist() == [[1, 1, 1, 1], [1, 0, 1, 1]]
    assert never_labelled([sample(converted=False), sample(3), sample(1)]) == [1, 3]


@pytest.mark.parametrize('rule, absent, warned', [('authors', (1, ), True), ('authors', (), False), ('mmpose', (1, ), False)])
def test_joints_that_a_data_set_lacks_are_said_once(rule: str, absent: tuple, warned: bool,
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    said: List[str] = []
    monkeypatch.setattr('rsn_mm.models.heads.print_log', lambda text, *args: said.append(text))
    head = MultiStageHead(num_units=1, in_channels=8, out_channels=4, visibility_rule=rule, encoder=[CODEC], decoder=CODEC)
    for _ in range(2):
        losses = head.loss([[torch.randn(2, 8, 16, 16)]], [sample(converted=False), sample(*absent)])
        assert all(loss.isfinite() for loss in losses.values())
    assert len(said) == warned and all("Joints [1]" in text and "visibility_rule='mmpose'" in text for text in said)

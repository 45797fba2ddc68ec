"""MMPose's losses and predictions under autocast."""
import sys
from types import ModuleType

import numpy as np
import pytest
import torch
from mmengine.hub import get_config
from mmengine.structures import InstanceData, PixelData
from mmpose.models.losses import BCELoss
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample, revert_heatmap
from mmpose.testing import get_packed_inputs
from mmpose.utils import tensor_utils

from rsn_mm.compat.half_precision import _widen_to_numpy

HALVES = (torch.bfloat16, torch.float16)


@pytest.mark.parametrize('dtype', HALVES)
class TestNumpy:

    def test_tensors_and_sequences_of_them(self, dtype: torch.dtype) -> None:
        half = torch.full((2, 3), .5, dtype=dtype)
        array, device = tensor_utils.to_numpy(half, return_device=True)
        assert array.dtype == np.float32 and array.tolist() == [[.5] * 3] * 2 and device.type == 'cpu'
        arrays = [*tensor_utils.to_numpy([half, half]), *tensor_utils.to_numpy((half, half), unzip=True)[1]]
        assert len(arrays) == 4 and all(array.dtype == np.float32 for array in arrays)

    def test_results_of_a_model(self, dtype: torch.dtype) -> None:
        sample = PoseDataSample(
            pred_instances=InstanceData(scores=torch.ones(1, dtype=dtype)),
            pred_fields=PixelData(heatmaps=torch.ones(2, 4, 4, dtype=dtype)))
        plain = sample.cpu().numpy()
        assert plain.pred_instances.scores.dtype == plain.pred_fields.heatmaps.dtype == np.float32

    def test_heatmaps_to_draw(self, dtype: torch.dtype) -> None:
        heatmaps = revert_heatmap(torch.ones(2, 4, 4, dtype=dtype), np.array([8., 8.]), np.array([16., 16.]), (16, 16))
        assert heatmaps.shape == (2, 16, 16) and heatmaps[0, 8, 8] == 1

    def test_loss_of_probabilities(self, dtype: torch.dtype) -> None:
        probabilities = torch.full((1, 2), .5, dtype=dtype, requires_grad=True)
        with torch.autocast('cpu', dtype=dtype):
            loss = BCELoss(use_sigmoid=True)(probabilities, torch.ones(1, 2))
        loss.backward()
        assert loss.dtype == torch.float32 and loss.item() == pytest.approx(np.log(2))


def test_other_types_stay_as_they_are() -> None:
    for dtype in (torch.float32, torch.float64, torch.int64, torch.bool):
        tensor = torch.ones(2, dtype=dtype)
        assert tensor_utils.to_numpy(tensor).dtype == tensor.numpy().dtype
    array = np.ones(2, np.float16)
    assert tensor_utils.to_numpy(array) is array


def test_modules_that_were_imported_before_are_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def to_numpy(x: torch.Tensor, return_device: bool, unzip: bool) -> np.ndarray:
        return x.numpy()

    early = {name: ModuleType(name) for name in ('mmpose.early_one', 'mmpose.early_two', 'other.early')}
    for name, module in early.items():
        monkeypatch.setitem(sys.modules, name, module)
        module.to_numpy = to_numpy
    _widen_to_numpy(early['mmpose.early_one'])
    assert early['other.early'].to_numpy is to_numpy
    assert early['mmpose.early_two'].to_numpy(torch.ones(2, dtype=torch.bfloat16)).dtype == np.float32


@pytest.mark.parametrize('base, dtype', [
    ('topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192', torch.bfloat16),
    ('topdown_heatmap/coco/td-hm_res50_dark-8xb64-210e_coco-256x192', torch.float16),
    ('topdown_regression/coco/td-reg_res50_rle-8xb64-210e_coco-256x192', torch.bfloat16)
], ids=['classic', 'dark', 'rle'])
def test_a_head_of_mmpose_trains_and_predicts(base: str, dtype: torch.dtype, scope) -> None:
    cfg = get_config(f'mmpose::body_2d_keypoint/{base}.py')
    scope('mmpose')
    cfg.model.backbone = dict(type='rsn_mm.RSNEncoder', num_blocks=[1, 1, 1, 1], stem_channels=8)
    cfg.model.head.in_channels = 64
    model = MODELS.build(cfg.model)
    inputs = get_packed_inputs(2, img_shape=(64, 64), input_size=(64, 64), heatmap_size=(16, 16), with_reg_label=True)
    batch = model.data_preprocessor(inputs, training=True)
    with torch.autocast('cpu', dtype=dtype):
        losses = model(batch['inputs'], batch['data_samples'], mode='loss')
        model.parse_losses(losses)[0].backward()
        with torch.no_grad():
            results = model.eval()(batch['inputs'], batch['data_samples'], mode='predict')
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)
    assert [r.pred_instances.keypoints.shape for r in results] == [(1, 17, 2)] * 2

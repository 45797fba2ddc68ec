"""Detectors of MMDetection find the same boxes with our ops as with MMCV's compiled ones."""
import importlib
import importlib.util
from pathlib import Path
from typing import Dict

import numpy as np
import pytest

from rsn_mm.compat.ops import backend, ext

from ..conftest import load_script

DATA = Path(__file__).parent.parent / 'data'
# On the machine of the reference, boxes differ by 5e-5 px and scores by 3e-6. With other convolution kernels, which round
# differently (no oneDNN, no AVX-512), that becomes 1.6e-3 px and 2.3e-4.
TOLERANCE_PX, TOLERANCE_SCORE = 0.01, 1e-3
OPS = {
    'rtmdet': {'nms'},
    'faster_rcnn': {'nms', 'roi_align_forward'},
    'cascade_rcnn_soft_nms': {'nms', 'roi_align_forward', 'softnms'},
}


script = load_script(DATA / 'make_detector_reference.py')


@pytest.fixture(scope='module')
def reference() -> Dict[str, np.ndarray]:
    with np.load(DATA / 'detector_reference.npz') as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def our_ops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our pure ops behind mmcv.ops, even where compiled ones, or torchvision's, are at hand."""
    monkeypatch.setattr(backend, '_torchvision_runs_on', lambda device_type: False)
    for family in ('nms', 'roi_align'):
        monkeypatch.setattr(importlib.import_module(f'mmcv.ops.{family}'), 'ext_module', ext)


@pytest.mark.filterwarnings('ignore')
@pytest.mark.parametrize('name', script.DETECTORS)
def test_boxes_are_those_of_the_compiled_ops(name: str, reference: Dict[str, np.ndarray]) -> None:
    picture = script.read_picture(reference['picture'])
    model = script.build_detector(name, picture)
    with script.counted_ops() as calls:
        found = script.detect(model, picture)
    assert {op for op, _, _ in calls} == OPS[name]
    suppressed = sum(before - after for _, before, after in calls)
    expected = {key: reference[f'{name}/{key}'] for key in found}
    assert len(expected['labels']) >= script.FEWEST_BOXES and suppressed >= script.FEWEST_SUPPRESSED

    pixels, score = script.differences(found, expected)
    assert pixels <= TOLERANCE_PX and score <= TOLERANCE_SCORE


def test_reference_holds_the_detectors_that_are_run(reference: Dict[str, np.ndarray]) -> None:
    assert {key.partition('/')[0] for key in reference} == {'picture', *script.DETECTORS}


def _boxes(bboxes, scores=(.5, .4), labels=(0, 1)) -> Dict[str, np.ndarray]:
    return dict(bboxes=np.array(bboxes, dtype=float), scores=np.array(scores), labels=np.array(labels))


class TestDifferences:
    """What the comparison above would notice."""
    EXPECTED = _boxes([[0, 0, 4, 4], [1, 0, 5, 4]])

    def test_order_does_not_matter(self) -> None:
        assert script.differences(_boxes([[1, 0, 5, 4], [0, 0, 4, 4]], (.4, .5), (1, 0)), self.EXPECTED) == (0, 0)

    def test_one_coordinate_and_one_score(self) -> None:
        found = _boxes([[0, 0, 4, 4], [1, 0, 5, 4.25]], (.5, .375))
        assert script.differences(found, self.EXPECTED) == (.25, pytest.approx(.025))

    @pytest.mark.parametrize('found', [
        pytest.param(_boxes([[0, 0, 4, 4]], (.5, ), (0, )), id='one less'),
        pytest.param(_boxes([[0, 0, 4, 4], [1, 0, 5, 4]], labels=(0, 0)), id='another label'),
    ])
    def test_other_boxes_are_infinitely_far(self, found: Dict[str, np.ndarray]) -> None:
        assert script.differences(found, self.EXPECTED) == (np.inf, np.inf)

    def test_two_boxes_cannot_share_one(self) -> None:
        expected = _boxes([[0, 0, 4, 4], [9, 9, 13, 13]], labels=(0, 0))
        assert script.differences(_boxes([[0, 0, 4, 4]] * 2, labels=(0, 0)), expected) == (np.inf, np.inf)

"""What stands in for torchvision, and when."""
import importlib
import importlib.util
import sys

import cv2
import mmcv.ops
import mmpose.visualization.simcc_vis as simcc_vis
import numpy as np
import pytest
import torch
from mmdet.models.task_modules.assigners.max_iou_assigner import perm_repeat_bboxes
from mmengine.runner import CheckpointLoader

from rsn_mm.compat import torchvision as adapter
from rsn_mm.compat import vision
from rsn_mm.compat.vision.transforms import ToPILImage


def names_of_torchvision():
    return [name for name in sys.modules if name.partition('.')[0] == 'torchvision']


@pytest.fixture
def clean_slate(monkeypatch):
    """As in a process that has not imported torchvision; what it was is put back afterwards."""
    before = {name: sys.modules.pop(name) for name in names_of_torchvision()}
    monkeypatch.setattr(sys, 'meta_path', list(sys.meta_path))
    yield
    for name in names_of_torchvision():
        del sys.modules[name]
    sys.modules.update(before)


@pytest.fixture
def stand_in(clean_slate):
    adapter.install()


@pytest.fixture
def make_package(clean_slate, tmp_path, monkeypatch):
    """Call it to have a torchvision with the given last line in its ``__init__`` on the path."""

    def make(last_line):
        folder = tmp_path / 'torchvision'
        folder.mkdir()
        (folder / '__init__.py').write_text(f'from . import extension\n{last_line}\n')
        for name in ('extension', 'transforms', 'ops'):
            (folder / f'{name}.py').write_text('')
        monkeypatch.syspath_prepend(tmp_path)
        importlib.invalidate_caches()

    return make


def test_a_torchvision_that_works_is_left_alone(make_package):
    make_package('__version__ = "0.28.0"')
    assert adapter.missing.__wrapped__() is None
    assert sys.modules['torchvision'].__version__ == '0.28.0'


@pytest.mark.parametrize('error', ['RuntimeError', 'ImportError', 'OSError', 'AttributeError'])
def test_a_broken_torchvision_is_replaced(make_package, error):
    make_package(f'raise {error}("operator torchvision::nms does not exist\\nsecond line")')
    reason = adapter.missing.__wrapped__()
    assert f'does not load beside torch {torch.__version__}: {error}: operator torchvision::nms does not' in reason
    assert 'second line' not in reason
    assert not names_of_torchvision()
    adapter.install()
    import torchvision
    assert torchvision is vision


def test_what_a_failed_import_left_behind_goes_away(make_package):
    # The second attempt would succeed, with half of the package, if it found the submodule of the first one.
    make_package('if not hasattr(extension, "seen"):\n    extension.seen = True\n    raise RuntimeError("no nms")')
    with pytest.raises(RuntimeError):
        importlib.import_module('torchvision')
    assert names_of_torchvision() == ['torchvision.extension']
    assert 'does not load' in adapter.missing.__wrapped__()
    assert not names_of_torchvision()


def test_a_torchvision_that_is_not_there_is_replaced(clean_slate, monkeypatch):

    class Nothing:

        @staticmethod
        def find_spec(fullname, path=None, target=None):
            if fullname == 'torchvision':
                raise ModuleNotFoundError("No module named 'torchvision'", name='torchvision')

    sys.meta_path.insert(0, Nothing)
    assert adapter.missing.__wrapped__() == 'torchvision is not installed'


def test_stand_in_is_not_taken_for_torchvision(stand_in):
    assert adapter.missing.__wrapped__() == 'torchvision has been replaced before'


def test_import_machinery_knows_the_stand_in(stand_in):
    import torchvision
    from torchvision.transforms import ToPILImage as imported
    assert imported is ToPILImage
    assert importlib.util.find_spec('torchvision') is not None and torchvision.__path__
    assert importlib.util.find_spec('torchvision.ops') is not None
    assert isinstance(torchvision.__version__, str)


@pytest.mark.parametrize('statement', [
    'import torchvision.models', 'from torchvision import models', 'import torchvision; torchvision.models',
    'from torchvision.transforms import Compose', 'import torchvision.transforms.functional',
    'import torchvision; torchvision.ops.nms'
])
def test_anything_else_says_what_to_install(stand_in, statement):
    with pytest.raises((ImportError, AttributeError), match='torchvision.*MMPose and MMDetection.*pip install'):
        exec(statement, {})


def test_a_missing_attribute_is_just_missing_to_hasattr(stand_in):
    import torchvision
    assert not hasattr(torchvision, 'models') and not hasattr(torchvision.ops, 'nms')


def test_weights_of_torchvision_say_what_to_install(stand_in):
    with pytest.raises(AttributeError, match='torchvision.models is not available.*pip install'):
        CheckpointLoader.load_checkpoint('torchvision://resnet50')


@pytest.mark.parametrize('version, cuda, package, index', [
    ('2.13.0+cpu', None, 'torchvision==0.28.*', 'cpu'),
    ('2.6.0+cu126', '12.6', 'torchvision==0.21.*', 'cu126'),
    ('3.0.0', None, 'torchvision', 'cpu'),
])
def test_remedy_names_the_version_that_fits(monkeypatch, version, cuda, package, index):
    monkeypatch.setattr(torch, '__version__', version)
    monkeypatch.setattr(torch.version, 'cuda', cuda)
    assert adapter.remedy().endswith(f'"{package}" --index-url https://download.pytorch.org/whl/{index}')


def test_simcc_heatmaps_are_drawn(monkeypatch):
    monkeypatch.setattr(simcc_vis, 'ToPILImage', ToPILImage)
    heatmap = torch.rand(3, 40, 30)
    image = np.random.default_rng(0).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    drawn = simcc_vis.SimCCVisualizer().draw_instance_xy_heatmap(heatmap, image, weight=1.0)
    gray = (heatmap.max(0)[0] * 255).byte().numpy()
    np.testing.assert_array_equal(drawn[4:44, 3:33], cv2.applyColorMap(gray, cv2.COLORMAP_JET))


@pytest.mark.parametrize('channels, mode', [(1, 'L'), (2, 'LA'), (3, 'RGB'), (4, 'RGBA')])
def test_pictures_of_bytes_keep_their_values(channels, mode):
    array = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    for pic in (array, torch.from_numpy(array).permute(2, 0, 1)):
        image = ToPILImage()(pic)
        assert image.mode == mode and image.size == (7, 5)
        np.testing.assert_array_equal(np.asarray(image).reshape(array.shape), array)


def test_floats_are_scaled_and_cut_down_and_clipped():
    image = ToPILImage()(torch.tensor([[0., 0.5, 0.999, 1., 1.5, -0.1]]))
    assert image.mode == 'L' and image.size == (6, 1)
    assert np.asarray(image).tolist() == [[0, 127, 254, 255, 255, 0]]


@pytest.mark.parametrize('dtype, mode', [(np.int16, 'I;16'), (np.int32, 'I'), (np.float32, 'F')])
def test_one_channel_of_other_types(dtype, mode):
    array = np.array([[0, 1, 300], [7, 2, 30000]], dtype=dtype)
    image = ToPILImage()(array)
    assert image.mode == mode
    np.testing.assert_array_equal(np.asarray(image), array)


def test_modes_that_are_asked_for():
    assert ToPILImage('YCbCr')(torch.zeros(3, 2, 2)).mode == 'YCbCr'
    image = ToPILImage('F')(torch.tensor([[0.25, 300.]]))
    assert image.mode == 'F' and np.asarray(image).tolist() == [[0.25, 300.]]


@pytest.mark.parametrize('pic, mode, error, message', [
    ([[1]], None, TypeError, 'tensor or an array, got list'),
    (np.zeros((2, 2, 2, 3), np.uint8), None, ValueError, r'2 or 3 dimensions, got shape \(2, 2, 2, 3\)'),
    (torch.zeros(5, 2, 2), None, ValueError, '1 to 4 channels, got 5'),
    (np.zeros((2, 2, 3), np.float32), None, TypeError, 'dtype float32; with 3 channels give uint8'),
    (np.zeros((2, 2), np.int64), None, TypeError, 'dtype int64; with one channel give one of uint8'),
    (torch.zeros(3, 2, 2), 'L', ValueError, "mode='L' does not fit 3 channel.*allowed: RGB, YCbCr, HSV"),
])
def test_pictures_that_fit_no_image(pic, mode, error, message):
    with pytest.raises(error, match=message):
        ToPILImage(mode)(pic)


def test_box_iou():
    boxes1 = torch.tensor([[0., 0., 4., 4.], [10., 10., 12., 12.]])
    boxes2 = torch.tensor([[2., 0., 6., 4.], [0., 0., 4., 4.], [4., 4., 5., 5.]])
    torch.testing.assert_close(vision.ops.box_iou(boxes1, boxes2), torch.tensor([[1 / 3, 1., 0.], [0., 0., 0.]]))


def test_the_assigner_of_mmdet_runs_on_box_iou(stand_in):
    boxes = torch.tensor([[0., 0., 50., 50.], [0., 0., 50., 50.], [9., 9., 20., 20.]])
    moved = perm_repeat_bboxes(boxes, perm_repeat_cfg={'iou_thr': 0.9, 'perm_range': 0.01})
    assert torch.equal(moved[2], boxes[2]) and not torch.equal(moved[0], moved[1])


@pytest.mark.parametrize('aligned', [True, False])
def test_roi_align_of_mmcv_gives_the_same_by_way_of_torchvision(stand_in, aligned):
    features, rois = torch.randn(2, 3, 8, 8), torch.tensor([[0, 2.5, 1., 13., 9.], [1, 0., 0., 16., 16.]])
    results = [mmcv.ops.RoIAlign(2, 0.5, 0, 'avg', aligned, use_torchvision)(features, rois)
               for use_torchvision in (False, True)]
    torch.testing.assert_close(*results)


def test_roi_align_takes_boxes_image_by_image():
    features, rois = torch.randn(2, 3, 8, 8), torch.tensor([[0, 2.5, 1., 13., 9.], [1, 0., 0., 16., 16.]])
    together = vision.ops.roi_align(features, rois, (2, 3), 0.5)
    torch.testing.assert_close(vision.ops.roi_align(features, [rois[:1, 1:], rois[1:, 1:]], (2, 3), 0.5), together)

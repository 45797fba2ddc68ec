"""Heatmaps from one frame to another: a joint stays where it is in the image."""
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmpose.codecs import MegviiHeatmap, MSRAHeatmap, SimCCLabel, UDPHeatmap
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.codecs import QuarterOffsetHeatmap
from rsn_mm.evaluation.frames import Crops, HeatmapFrame, resample

SMALL, LARGE = dict(input_size=(96, 128), heatmap_size=(24, 32)), dict(input_size=(144, 192), heatmap_size=(36, 48))


def crops(center=(100., 80.), scale=(60., 80.)) -> Crops:
    return Crops(np.array([center]), np.array([scale]))


def codec(kind: type, sizes: dict):
    own = {QuarterOffsetHeatmap: dict(kernel_size=7), MegviiHeatmap: dict(kernel_size=7),
           MSRAHeatmap: dict(sigma=2., unbiased=True), UDPHeatmap: dict(sigma=2.)}
    return kind(**sizes, **own[kind])


def to_input(image_xy: np.ndarray, crop: Crops, size) -> np.ndarray:
    return ((image_xy - crop.center[0]) / crop.scale[0] + .5) * size


class TestResample:

    def test_the_same_frame_is_left_alone(self):
        frame = HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, SMALL))
        heatmaps = torch.randn(1, 3, 32, 24)
        assert resample(heatmaps, frame, crops(), frame, crops()) is heatmaps

    def test_one_crop_two_sizes(self):
        """Pixels that are areas: what F.interpolate does between pixel centres, border included."""
        frames = [HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, sizes)) for sizes in (SMALL, LARGE)]
        heatmaps = torch.randn(1, 3, 32, 24)
        enlarged = resample(heatmaps, frames[0], crops(), frames[1], crops())
        expected = F.interpolate(heatmaps, size=(48, 36), mode='bilinear', align_corners=False)
        torch.testing.assert_close(enlarged, expected, atol=1e-5, rtol=0)

    def test_ends_that_coincide(self):
        """UDP's pixels lie from one end of the crop to the other: align_corners=True, up to its own (w - 1) / w."""
        frames = [HeatmapFrame.of_codec(codec(UDPHeatmap, sizes)) for sizes in (SMALL, LARGE)]
        ramp = torch.arange(24.).expand(1, 1, 32, 24)
        enlarged = resample(ramp, frames[0], crops(), frames[1], crops())[0, 0, 0]
        share = np.arange(36) * (143 / 35) / 144  # of the crop
        np.testing.assert_allclose(enlarged, np.clip(share * 96 / (95 / 23), 0, 23), atol=1e-4)

    @pytest.mark.parametrize('kinds', list(itertools.product((QuarterOffsetHeatmap, UDPHeatmap, MSRAHeatmap), repeat=2)))
    def test_a_joint_stays_in_its_place(self, kinds):
        """A joint encoded by one codec for one crop, read by another for another crop of the same image.

        Codecs round to whole pixels where they encode: half a heatmap pixel is 1.25 image px, a quarter is the decoder's.
        """
        source, target = codec(kinds[0], SMALL), codec(kinds[1], LARGE)
        source_crops, target_crops = crops(), crops(center=(103., 78.), scale=(72., 96.))
        frames = [HeatmapFrame.of_codec(source), HeatmapFrame.of_codec(target)]
        errors = []
        for joint in np.random.default_rng(0).uniform([80, 50], [120, 110], (30, 2)):
            given = to_input(joint, source_crops, (96, 128)).astype(np.float32)[None, None]
            heatmaps = torch.from_numpy(source.encode(given, np.ones((1, 1), np.float32))['heatmaps'])[None].float()
            moved = resample(heatmaps, frames[0], source_crops, frames[1], target_crops)
            read = target.decode(moved[0].numpy())[0][0, 0]
            errors.append((read / (144, 192) - .5) * target_crops.scale[0] + target_crops.center[0] - joint)
        assert np.abs(errors).max() < 2.7
        assert np.abs(np.mean(errors, axis=0)).max() < .45  # no bias of half a heatmap pixel (1.25 px)

    def test_outside_the_crop_is_nothing(self):
        frame = HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, SMALL))
        moved = resample(torch.ones(1, 1, 32, 24), frame, crops(), frame, crops(scale=(120., 160.)))[0, 0]
        assert moved[8:24, 6:18].min() == 1
        moved[8:24, 6:18] = 0
        assert moved.max() == 0

    def test_peaks_are_made_alike(self):
        ours, udp = (HeatmapFrame.of_codec(codec(kind, SMALL)) for kind in (QuarterOffsetHeatmap, UDPHeatmap))
        moved = resample(torch.full((1, 1, 32, 24), .5), udp, crops(), ours, crops())
        assert moved.max() == pytest.approx(127.5)

    def test_input_stays(self):
        frames = [HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, sizes)) for sizes in (SMALL, LARGE)]
        heatmaps = torch.ones(1, 1, 32, 24)
        resample(heatmaps, frames[0], crops(), frames[1], crops())
        assert (heatmaps == 1).all()

    def test_each_sample_has_its_own_crop(self):
        frame = HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, SMALL))
        two = Crops(np.array([[100., 80.], [100., 80.]]), np.array([[60., 80.], [60., 80.]]))
        shifted = Crops(two.center + [[0., 0.], [2.5, 0.]], two.scale)  # one heatmap pixel to the right
        heatmaps = torch.randn(2, 1, 32, 24)
        moved = resample(heatmaps, frame, two, frame, shifted)
        torch.testing.assert_close(moved[0], heatmaps[0], atol=1e-4, rtol=0)
        torch.testing.assert_close(moved[1, :, :, :-1], heatmaps[1, :, :, 1:], atol=1e-4, rtol=0)


class TestOfCodec:

    @pytest.mark.parametrize('kind, layout, peak', [
        (QuarterOffsetHeatmap, 'centres', 255), (MegviiHeatmap, 'centres', 255), (MSRAHeatmap, 'corners', 1),
        (UDPHeatmap, 'ends', 1)])
    def test_known(self, kind, layout, peak):
        frame = HeatmapFrame.of_codec(codec(kind, SMALL))
        assert frame == HeatmapFrame((24, 32), (96, 128), layout, peak)

    def test_unknown(self):
        with pytest.raises(ValueError, match='SimCCLabel cannot be averaged .* merge these'):
            HeatmapFrame.of_codec(SimCCLabel(input_size=(96, 128)))
        with pytest.raises(ValueError, match='NoneType cannot be averaged'):
            HeatmapFrame.of_codec(None)


def test_one_small_copy_to_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and columns are sent, not the grid and a mask of all pixels."""
    copies = []

    class Copies(TorchDispatchMode):

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if func is torch.ops.aten._to_copy.default and result.device != args[0].device:
                copies.append(args[0].numel())
            return result

    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda tensor: tensor)
    # PyTorch's form of it for fake tensors wants a build with CUDA.
    monkeypatch.setattr(F, 'grid_sample', lambda maps, grid, **options: maps.new_empty(*maps.shape[:2], *grid.shape[1:3]))
    frames = [HeatmapFrame.of_codec(codec(QuarterOffsetHeatmap, sizes)) for sizes in (SMALL, LARGE)]
    with FakeTensorMode(), Copies():
        heatmaps = torch.empty(1, 3, 32, 24, device='cuda')
        sampled = resample(heatmaps, frames[0], crops(), frames[1], crops((90., 80.)))
    assert sampled.is_cuda and sampled.shape == (1, 3, 48, 36)
    assert copies == [2 * (48 + 36)]

"""The multi-stage body against a slow reading of Figure 2, with plain convolutions in the place of blocks."""
from typing import List, Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rsn_mm.models.multi_stage import BodySpec, DownPath, MultiStageBody, Stage, Stem, upsample

BN = dict(type='BN')


def plain_conv(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    return nn.Conv2d(in_channels, out_channels, kernel_size=3, stride=stride, padding=1)


def body(num_stages: int = 2, num_blocks: Sequence[int] = (2, 1, 3)) -> MultiStageBody:
    channels = tuple(6 * 2**level for level in range(len(num_blocks)))
    built = MultiStageBody(plain_conv, BodySpec(num_stages, tuple(num_blocks), 6, channels, 10), BN)
    for module in built.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, .1)
            module.running_var.uniform_(.5, 1.5)
            nn.init.uniform_(module.weight, .5, 1.5)
    return built.eval()


def conv_bn(module: nn.Module, x: Tensor) -> Tensor:
    assert module.conv.kernel_size == (1, 1)
    return module.bn(module.conv(x))


def slow_stage(stage: Stage, x: Tensor, skips: List[Tensor]) -> tuple:
    levels = []
    for number, blocks in enumerate(stage.down.levels):
        for block in blocks:
            x = block(x)
        if skips:
            x = x + skips[number]
        levels.append(x)
    units = []
    for unit, level in zip(stage.up.units, levels[::-1]):
        x = conv_bn(unit.from_level, level)
        if units:
            size = level.shape[-2:]
            x = x + conv_bn(unit.from_below, F.interpolate(units[-1], size, mode='bilinear', align_corners=True))
        units.append(torch.relu(x))
    return levels, units


class TestBody:

    def test_equals_slow_reading_of_figure_2(self):
        net = body(num_stages=3)
        image = torch.randn(2, 3, 64, 32)
        with torch.no_grad():
            x, skips, expected = F.max_pool2d(torch.relu(net.stem[0].bn(net.stem[0].conv(image))), 3, 2, 1), [], []
            for stage in net.stages:
                levels, units = slow_stage(stage, x, skips)
                expected.append(tuple(units))
                if stage.cross is None:
                    break
                skips = [
                    torch.relu(conv_bn(stage.cross.from_levels[i], levels[i])) +
                    torch.relu(conv_bn(stage.cross.from_units[i], units[-1 - i])) for i in range(len(levels))
                ]
                x = torch.relu(conv_bn(stage.cross.to_next, units[-1]))
            torch.testing.assert_close(net(image), tuple(expected), rtol=1e-5, atol=1e-5)

    def test_last_stage_hands_nothing_on(self):
        """What a next stage would take would stay without a gradient, which DDP refuses."""
        assert [stage.cross is None for stage in body(num_stages=3).stages] == [False, False, True]

    def test_units_run_deep_to_shallow(self):
        sizes = [tuple(unit.shape[1:]) for unit in body()(torch.randn(1, 3, 64, 32))[0]]
        assert sizes == [(10, 4, 2), (10, 8, 4), (10, 16, 8)]

    def test_image_whose_size_32_does_not_divide(self):
        """Sizes are rounded up on the way down, and met again on the way up."""
        sizes = [tuple(unit.shape[2:]) for unit in body()(torch.randn(1, 3, 50, 70))[0]]
        assert sizes == [(4, 5), (7, 9), (13, 18)]


class TestStem:

    def test_conv7x7_and_maxpool3x3(self):
        stem = Stem(6, BN)
        assert (stem[0].conv.kernel_size, stem[0].conv.stride) == ((7, 7), (2, 2))
        assert stem(torch.randn(1, 3, 64, 32)).shape == (1, 6, 16, 8)


class TestDownPath:

    def test_halves_once_a_level_in_its_first_block(self):
        path = DownPath(plain_conv, (2, 3), 4, (8, 16))
        convs = [[(c.in_channels, c.out_channels, c.stride[0]) for c in level] for level in path.levels]
        assert convs == [[(4, 8, 1), (8, 8, 1)], [(8, 16, 2), (16, 16, 1), (16, 16, 1)]]


class TestUpsample:

    @pytest.mark.parametrize('size', [(5, 9), (3, 2), (2, 3)])
    def test_corners_are_aligned(self, size):
        x = torch.arange(6.).view(1, 1, 2, 3)
        y = upsample(x, size)
        assert y.shape[-2:] == size
        torch.testing.assert_close(y[..., [0, -1], :][..., [0, -1]], x[..., [0, -1], :][..., [0, -1]])

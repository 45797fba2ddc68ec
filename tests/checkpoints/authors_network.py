"""A network with the names and layers of the authors' files, written for these tests from the description of them.

Every convolution has a bias and a norm, modules ``conv`` and ``bn``. Sizes that the authors fix are arguments here.
"""
from typing import List, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NUM_LEVELS = 4


class Unit(nn.Module):

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int = 1, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel_size, stride, kernel_size // 2)
        self.bn = nn.BatchNorm2d(out_channels)
        self.with_relu = relu

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn(self.conv(x))
        return x.relu() if self.with_relu else x


class Block(nn.Module):

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        width = in_channels * 26 // 64
        self.conv_bn_relu1 = Unit(in_channels, 4 * width, stride=stride)
        for i in range(1, 5):
            for j in range(1, i + 1):
                setattr(self, f'conv_bn_relu2_{i}_{j}', Unit(width, width, 3))
        self.conv_bn_relu3 = Unit(4 * width, out_channels, relu=False)
        self.downsample: Optional[Unit] = None
        if stride > 1 or in_channels != out_channels:
            self.downsample = Unit(in_channels, out_channels, stride=stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        splits = self.conv_bn_relu1(x).chunk(4, dim=1)
        made = {}
        for i in range(1, 5):
            for j in range(1, i + 1):
                into = splits[i - 1] if j == 1 else made[i, j - 1]
                made[i, j] = getattr(self, f'conv_bn_relu2_{i}_{j}')(into + made[i - 1, j] if j < i else into)
        out = self.conv_bn_relu3(torch.cat([made[i, i] for i in range(1, 5)], dim=1))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class Down(nn.Module):

    def __init__(self, channels: int, num_blocks: Sequence[int], expansion: int) -> None:
        super().__init__()
        before = channels
        for level, count in enumerate(num_blocks):
            after = channels * 2**level * expansion
            blocks = [Block(before if k == 0 else after, after, 2 if k == 0 and level > 0 else 1) for k in range(count)]
            setattr(self, f'layer{level + 1}', nn.Sequential(*blocks))
            before = after


class Up(nn.Module):

    def __init__(self, number: int, level_channels: int, channels: int, stem: int, joints: int, last_stage: bool) -> None:
        super().__init__()
        self.u_skip = Unit(level_channels, channels, relu=False)
        if number > 1:
            self.up_conv = Unit(channels, channels, relu=False)
        if not last_stage:
            self.skip1 = Unit(level_channels, level_channels)
            self.skip2 = Unit(channels, level_channels)
            if number == NUM_LEVELS:
                self.cross_conv = Unit(channels, stem)
        self.res_conv1 = Unit(channels, channels)
        self.res_conv2 = Unit(channels, joints, 3, relu=False)


class Stage(nn.Module):

    def __init__(self, stem: int, num_blocks: Sequence[int], channels: int, joints: int, last_stage: bool,
                 expansion: int) -> None:
        super().__init__()
        self.downsample = Down(stem, num_blocks, expansion)
        self.upsample = nn.Module()
        for number in range(1, NUM_LEVELS + 1):
            level_channels = stem * 2**(NUM_LEVELS - number) * expansion
            setattr(self.upsample, f'up{number}', Up(number, level_channels, channels, stem, joints, last_stage))


class AuthorsNetwork(nn.Module):

    def __init__(self, num_stages: int, num_blocks: Sequence[int], stem: int, channels: int, joints: int,
                 expansion: int = 1) -> None:
        super().__init__()
        self.top = nn.Module()
        self.top.conv = Unit(3, stem, 7, 2)
        self.num_stages = num_stages
        for i in range(num_stages):
            setattr(self, f'stage{i}', Stage(stem, num_blocks, channels, joints, i == num_stages - 1, expansion))

    def forward(self, x: Tensor) -> List[Tensor]:
        """Heatmaps of all units, stage after stage, deep to shallow."""
        x = F.max_pool2d(self.top.conv(x), 3, 2, 1)
        skips: Optional[List[Tensor]] = None
        heatmaps = []
        for i in range(self.num_stages):
            stage, levels = getattr(self, f'stage{i}'), []
            for k in range(NUM_LEVELS):
                x = getattr(stage.downsample, f'layer{k + 1}')(x)
                x = x if skips is None else x + skips[k]
                levels.append(x)
            skips, below = [], None
            for k in reversed(range(NUM_LEVELS)):
                up, level = getattr(stage.upsample, f'up{NUM_LEVELS - k}'), levels[k]
                out = up.u_skip(level)
                if below is not None:
                    out = out + up.up_conv(resized(below, level))
                below = out.relu()
                heatmaps.append(resized(up.res_conv2(up.res_conv1(below)), levels[0]))
                if hasattr(up, 'skip1'):
                    skips.insert(0, up.skip1(level) + up.skip2(below))
            x = up.cross_conv(below) if hasattr(up, 'cross_conv') else x
        return heatmaps


def resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode='bilinear', align_corners=True)

"""The multi-stage body of MSPN (Li et al., 2019) that RSN fills with its own blocks (paper Figure 2(a) and (b)).

A stage is an hourglass: it goes down through levels of features (1/4, 1/8, 1/16, 1/32 of the image), then up again, one
unit a level. Words used throughout: *levels* run from shallow (large) to deep (small), *units* from deep to shallow.
Any constituent unit plugs in through :data:`BlockFactory`.
"""
from typing import Any, Callable, List, NamedTuple, Optional, Protocol, Sequence, Tuple, cast

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from .checkpointing import checkpoint

# On CPUs, the gradient of a strided 1x1 convolution writes past its memory if channels are last and fewer than these (oneDNN
# issue 6035). Strided convolutions of the body have at least the channels of the stem, and follow its layout.
NARROW = 16


class BlockFactory(Protocol):
    """Makes one constituent unit: a module (B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride)."""

    def __call__(self, in_channels: int, out_channels: int, stride: int) -> nn.Module:
        ...


class Stem(nn.Sequential):
    """Conv7x7/2-BN-ReLU, maxpool3x3/2.

    Shape:
        - Input: (B, 3, H, W)
        - Output: (B, channels, H / 4, W / 4)
    """
    STRIDE = 4

    def __init__(self, channels: int, norm_cfg: dict) -> None:
        super().__init__(
            ConvModule(3, channels, kernel_size=7, stride=2, padding=3, norm_cfg=norm_cfg),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
        self._is_narrow = channels < NARROW

    def forward(self, image: Tensor) -> Tensor:
        return super().forward(image.contiguous() if self._is_narrow else image)


class DownPath(nn.Module):
    """The way down: blocks of one level after another, each level at half the size of the one before.

    Args:
        make_block (BlockFactory): Makes the constituent unit.
        num_blocks (Sequence[int]): Blocks in each level, shallow to deep.
        in_channels (int): Channels of the input.
        level_channels (Sequence[int]): Channels of each level, shallow to deep.
    """

    def __init__(self, make_block: BlockFactory, num_blocks: Sequence[int], in_channels: int,
                 level_channels: Sequence[int]) -> None:
        super().__init__()
        levels = nn.ModuleList()
        for level, (count, channels) in enumerate(zip(num_blocks, level_channels)):
            strides = [1 if level == 0 else 2] + [1] * (count - 1)
            widths = [in_channels] + [channels] * (count - 1)
            levels.append(nn.Sequential(*(make_block(w, channels, s) for w, s in zip(widths, strides))))
            in_channels = channels
        self.levels = cast('Sequence[nn.Sequential]', levels)

    def forward(self, x: Tensor, skips: Optional[Sequence[Tensor]] = None) -> List[Tensor]:
        """Go down.

        Args:
            x (Tensor): (B, in_channels, H, W).
            skips (Sequence[Tensor], optional): What the stage before hands to each level, shallow to deep.

        Returns:
            List[Tensor]: Level l in shape (B, level_channels[l], H / 2**l, W / 2**l), shallow to deep.
        """
        outputs = []
        for level, blocks in enumerate(self.levels):
            x = blocks(x)
            if skips is not None:
                x = x + skips[level]
            outputs.append(x)
        return outputs


class UpUnit(nn.Module):
    """One step up: relu( conv1x1-BN(level) + conv1x1-BN(the unit below, upsampled) ). The deepest has none below.

    Args:
        level_channels (int): Channels of the level that comes in from the way down.
        channels (int): Channels of the unit.
        deepest (bool): Whether no unit lies below.
        with_cp (bool): Recompute the unit in the backward pass.
        norm_cfg (dict): Config of the normalisation layers.
    """

    def __init__(self, level_channels: int, channels: int, deepest: bool, with_cp: bool, norm_cfg: dict) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.from_level = ConvModule(level_channels, channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)
        self.from_below = None if deepest else ConvModule(
            channels, channels, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, level: Tensor, below: Optional[Tensor]) -> Tensor:
        return checkpoint(self, self._forward, level, below) if self.with_cp else self._forward(level, below)

    def _forward(self, level: Tensor, below: Optional[Tensor]) -> Tensor:
        x = self.from_level(level)
        if self.from_below is not None:
            assert below is not None
            x = x + self.from_below(upsample(below, level.shape[-2:]))
        return self.relu(x)


class UpPath(nn.Module):
    """The way up, from the deepest level to the shallowest."""

    def __init__(self, level_channels: Sequence[int], unit_channels: int, with_cp: bool, norm_cfg: dict) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            UpUnit(channels, unit_channels, deepest=i == 0, with_cp=with_cp, norm_cfg=norm_cfg)
            for i, channels in enumerate(reversed(level_channels)))

    def forward(self, levels: Sequence[Tensor]) -> Tuple[Tensor, ...]:
        """Go up.

        Args:
            levels (Sequence[Tensor]): Levels of the way down, shallow to deep.

        Returns:
            tuple[Tensor]: Units, each (B, unit_channels, h, w) at the size of its level, DEEP to SHALLOW.
        """
        outputs: List[Tensor] = []
        for unit, level in zip(self.units, reversed(levels)):
            outputs.append(unit(level, outputs[-1] if outputs else None))
        return tuple(outputs)


class CrossStage(nn.Module):
    """What a stage hands to the next one: its input, and a skip to each of its levels.

    The skip to level l is the sum of conv1x1-BN-ReLU of this stage's level l and conv1x1-BN-ReLU of its unit at level l.

    Args:
        level_channels (Sequence[int]): Channels of each level, shallow to deep.
        unit_channels (int): Channels of a unit.
        out_channels (int): Channels of the next stage's input.
        with_cp (bool): Recompute the connections in the backward pass.
        norm_cfg (dict): Config of the normalisation layers.
    """

    def __init__(self, level_channels: Sequence[int], unit_channels: int, out_channels: int, with_cp: bool,
                 norm_cfg: dict) -> None:
        super().__init__()
        self.with_cp = with_cp
        self.from_levels = nn.ModuleList(ConvModule(c, c, kernel_size=1, norm_cfg=norm_cfg) for c in level_channels)
        self.from_units = nn.ModuleList(
            ConvModule(unit_channels, c, kernel_size=1, norm_cfg=norm_cfg) for c in level_channels)
        self.to_next = ConvModule(unit_channels, out_channels, kernel_size=1, norm_cfg=norm_cfg)

    def forward(self, levels: Sequence[Tensor], units: Sequence[Tensor]) -> Tuple[Tensor, List[Tensor]]:
        """Returns the next stage's input (B, out_channels, h, w) and its skips, shallow to deep."""
        skips = [self._run(self._skip, i, level, unit) for i, (level, unit) in enumerate(zip(levels, reversed(units)))]
        return self._run(self.to_next, units[-1]), skips

    def _skip(self, i: int, level: Tensor, unit: Tensor) -> Tensor:
        return self.from_levels[i](level) + self.from_units[i](unit)

    def _run(self, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
        return checkpoint(self, function, *inputs) if self.with_cp else function(*inputs)


class Stage(nn.Module):
    """One hourglass, with the connections to the next stage if there is one."""

    def __init__(self, down: DownPath, up: UpPath, cross: Optional[CrossStage]) -> None:
        super().__init__()
        self.down = down
        self.up = up
        self.cross = cross


class BodySpec(NamedTuple):
    """Sizes of a multi-stage body.

    num_blocks: blocks in each level, shallow to deep; its length is the number of levels and of units of a stage.
    level_channels: channels of each level, shallow to deep.
    with_cp: recompute what lies between the blocks in the backward pass.
    """
    num_stages: int
    num_blocks: Tuple[int, ...]
    stem_channels: int
    level_channels: Tuple[int, ...]
    unit_channels: int
    with_cp: bool = False


class MultiStageBody(nn.Module):
    """Stem and a cascade of stages (paper Figure 2(a)).

    Args:
        make_block (BlockFactory): Makes the constituent unit.
        spec (BodySpec): The sizes.
        norm_cfg (dict): Config of every normalisation layer outside the blocks.

    Shape:
        - Input: (B, 3, H, W)
        - Output: one tuple per stage, each with one feature per unit, deep to shallow: (B, unit_channels, h, w) with
          (h, w) from 1/32 (of four levels) to 1/4 of (H, W).
    """

    def __init__(self, make_block: BlockFactory, spec: BodySpec, norm_cfg: dict) -> None:
        super().__init__()
        self.stem = Stem(spec.stem_channels, norm_cfg)
        self.stages = cast('Sequence[Stage]', nn.ModuleList(
            Stage(
                DownPath(make_block, spec.num_blocks, spec.stem_channels, spec.level_channels),
                UpPath(spec.level_channels, spec.unit_channels, spec.with_cp, norm_cfg),
                CrossStage(spec.level_channels, spec.unit_channels, spec.stem_channels, spec.with_cp, norm_cfg)
                if i < spec.num_stages - 1 else None) for i in range(spec.num_stages)))

    def forward(self, image: Tensor) -> Tuple[Tuple[Tensor, ...], ...]:
        x = self.stem(image)
        skips: Optional[List[Tensor]] = None
        outputs = []
        for stage in self.stages:
            levels = stage.down(x, skips)
            units = stage.up(levels)
            outputs.append(units)
            if stage.cross is not None:
                x, skips = stage.cross(levels, units)
        return tuple(outputs)


def upsample(x: Tensor, size_hw: Sequence[int]) -> Tensor:
    """Bilinear, corners aligned, as everywhere in RSN."""
    return F.interpolate(x, size=tuple(size_hw), mode='bilinear', align_corners=True)

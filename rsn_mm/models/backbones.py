"""The registered backbones: RSN (multi-stage, for :class:`MultiStageHead`) and RSNEncoder (in ResNet's place)."""
from functools import partial
from typing import Dict, List, Optional, Sequence, Tuple, Type, Union

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..registry import MODELS
from .blocks import ResidualStepsBlock, branch_width, matched_branch_width
from .channels_last import ChannelsLastWeights
from .loading import refuse_foreign_weights
from .multi_stage import BlockFactory, BodySpec, DownPath, MultiStageBody, Stem
from .norm_counters import counted_together
from .norms import checks_norm_cfg, refuse_single_values
from .rival_blocks import DenseNetBlock, Res2NetBlock, ResNetBlock, RivalBlock

# Blocks in each level, shallow to deep. 50 and 101 as in ResNet; 18 with the same block, not the basic one.
NUM_BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}

RIVALS: Dict[str, Type[RivalBlock]] = {'resnet': ResNetBlock, 'res2net': Res2NetBlock, 'densenet': DenseNetBlock}
# The constituent units that the body can be built of.
BLOCKS: Dict[str, Type[nn.Module]] = {'rsb': ResidualStepsBlock, **RIVALS}

INIT_CFG = (
    dict(type='Kaiming', layer='Conv2d'),
    dict(type='Constant', layer=['_BatchNorm', 'GroupNorm'], val=1),
)


class _RSNBase(ChannelsLastWeights):
    """What both backbones share: freezing, and the check of loaded weights."""

    def __init__(self, init_cfg: Union[dict, List[dict], None], frozen_stages: int, norm_eval: bool) -> None:
        super().__init__(init_cfg=[dict(cfg) for cfg in INIT_CFG] if init_cfg is None else init_cfg)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self.register_load_state_dict_pre_hook(refuse_foreign_weights)

    def _parts_to_freeze(self) -> List[nn.Module]:
        """The stem, and what follows it, in the order of ``frozen_stages``."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> '_RSNBase':
        super().train(mode)
        self._freeze()
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        return self

    def _freeze(self) -> None:
        for module in self._parts_to_freeze()[:self.frozen_stages + 1]:
            module.eval()
            module.requires_grad_(False)


@MODELS.register_module()
class RSN(_RSNBase):
    """Residual Steps Network: a cascade of hourglass stages built of residual steps blocks.

    Args:
        depth (int): 18, 50 or 101: blocks per level [2,2,2,2], [3,4,6,3], [3,4,23,3]. Defaults to 18.
        num_stages (int): Stages in the cascade (4 in "4xRSN-50"). Defaults to 1.
        num_blocks (Sequence[int], optional): Blocks in each level, in place of ``depth``. Its length is the number of
            levels, and so of units a stage (at least 2).
        block (str): Constituent unit: 'rsb', the paper's own, or a rival in the same body: 'resnet' (which makes this
            MSPN), 'res2net' or 'densenet'. See :mod:`rsn_mm.models.rival_blocks`. Defaults to 'rsb'.
        num_branches (int): Branches of a block, 2 to 6. For 'rsb' alone, as ``match_capacity`` and ``grouped_entry``.
            Defaults to 4.
        stem_channels (int): Channels after the stem; level l has ``stem_channels * 2**l * expansion``. Defaults to 64.
        unit_channels (int): Channels of the units, which are the output. Defaults to 256.
        expansion (int): 1 as in the released RSN-18, 4 for bottleneck-like levels as in MSPN: the wide structure, which
            costs what the paper prints for the deep models (docs/ablations.md). Defaults to 1.
        match_capacity (bool): Choose the branch width so that a block has as many weights as one with four branches of
            the width that ``branch_width_from`` gives (paper Table 4). Defaults to False.
        branch_width_from (str, optional): A branch has 26 channels per 64 of the block's 'input', as in the authors' code
            (with ``expansion=4`` that is their early, far dearer RSN-50), or of the 'bottleneck', the level's channels
            over ``expansion``. For 'rsb' alone. Defaults to None: 'input' at expansion 1, 'bottleneck' above.
        grouped_entry (bool): See :class:`ResidualStepsBlock`. Defaults to False.
        frozen_stages (int): Freeze the stem (0) and as many whole stages of the cascade, from the first on. -1 freezes nothing.
            Defaults to -1.
        norm_eval (bool): Keep batch norms in eval mode while training. Defaults to False.
        with_cp (bool): Recompute blocks, units and connections between stages in the backward pass to save memory: a
            training step of 4x RSN-50 then peaks at a quarter. Defaults to False.
        norm_cfg (dict): Config of EVERY normalisation layer. Defaults to ``dict(type='BN')``.
        init_cfg (dict | list[dict], optional): Defaults to Kaiming normal convolutions and unit norms, as the authors do.

    Shape:
        - Input: (B, 3, H, W), normalised image.
        - Output: one tuple per stage, each with one feature (B, unit_channels, h, w) per unit, deep to shallow: (h, w)
          is 1/32, 1/16, 1/8, 1/4 of (H, W) with four levels.

    Raises:
        ValueError: if an argument is outside what is said above.

    Source: paper section 3 and Figure 2; the authors' ``network.py``.

    Example:
        >>> import rsn_mm, torch
        >>> from rsn_mm.models import RSN
        >>> features = RSN(depth=18, num_stages=2).eval()(torch.zeros(1, 3, 256, 192))
        >>> [[tuple(unit.shape[1:]) for unit in stage] for stage in features][0]
        [(256, 8, 6), (256, 16, 12), (256, 32, 24), (256, 64, 48)]
    """
    # Told from backbones of single feature maps by this.
    gives_stages = True

    @checks_norm_cfg
    def __init__(self,
                 depth: int = 18,
                 num_stages: int = 1,
                 num_blocks: Optional[Sequence[int]] = None,
                 block: str = 'rsb',
                 num_branches: int = 4,
                 stem_channels: int = 64,
                 unit_channels: int = 256,
                 expansion: int = 1,
                 match_capacity: bool = False,
                 branch_width_from: Optional[str] = None,
                 grouped_entry: bool = False,
                 with_cp: bool = False,
                 norm_cfg: dict = dict(type='BN'),
                 frozen_stages: int = -1,
                 norm_eval: bool = False,
                 init_cfg: Union[dict, List[dict], None] = None) -> None:
        super().__init__(init_cfg, frozen_stages, norm_eval)
        num_blocks = _num_blocks(depth, num_blocks)
        _check_positive(num_stages=num_stages, stem_channels=stem_channels, unit_channels=unit_channels,
                        expansion=expansion)
        if len(num_blocks) < 2:
            raise ValueError(f'num_blocks={list(num_blocks)} gives {len(num_blocks)} level; an hourglass needs at least 2. '
                             'Use RSNEncoder for a plain feature extractor.')
        _check_frozen(frozen_stages, num_stages, 'all stages')
        self.num_stages = num_stages
        self.num_units = len(num_blocks)
        self.body = MultiStageBody(
            _block_factory(block, expansion, num_branches, match_capacity, branch_width_from, grouped_entry, with_cp, norm_cfg),
            BodySpec(num_stages, num_blocks, stem_channels, _level_channels(stem_channels, expansion, len(num_blocks)),
                     unit_channels, with_cp), norm_cfg)
        self._freeze()
        self._lay_out()

    def _parts_to_freeze(self) -> List[nn.Module]:
        return [self.body.stem, *self.body.stages]

    def forward(self, x: Tensor) -> Tuple[Tuple[Tensor, ...], ...]:
        refuse_single_values(self, x, Stem.STRIDE * 2**(self.num_units - 1))
        with counted_together(self):
            return self.body(x)


@MODELS.register_module()
class RSNEncoder(_RSNBase):
    """The way down of one RSN stage as a plain encoder, where ResNet stands in MMPose's configs.

    Args:
        depth (int): 18, 50 or 101. Defaults to 50.
        out_indices (Sequence[int]): Levels to return, 0 (1/4 of the image) to 3 (1/32). Deeper levels than the last of
            them are not built. Defaults to ``(3, )``.
        frozen_stages (int): Freeze the stem (0) and levels up to this number (1 to 4). -1 freezes nothing. Defaults to -1.
        norm_eval (bool): Keep batch norms in eval mode while training. Defaults to False.
        num_blocks, block, num_branches, stem_channels, expansion, match_capacity, branch_width_from, grouped_entry, with_cp,
            norm_cfg, init_cfg: See :class:`RSN`. With the defaults the levels have 64, 128, 256 and 512 channels: that is the
            ``in_channels`` of the neck or head that follows.

    Shape:
        - Input: (B, 3, H, W), normalised image.
        - Output: tuple with one feature per index in ``out_indices``: (B, stem_channels * 2**l * expansion,
          H / 2**(l+2), W / 2**(l+2)) for level l.

    Raises:
        ValueError: if an argument is outside what is said above.
    """

    @checks_norm_cfg
    def __init__(self,
                 depth: int = 50,
                 out_indices: Sequence[int] = (3, ),
                 frozen_stages: int = -1,
                 norm_eval: bool = False,
                 num_blocks: Optional[Sequence[int]] = None,
                 block: str = 'rsb',
                 num_branches: int = 4,
                 stem_channels: int = 64,
                 expansion: int = 1,
                 match_capacity: bool = False,
                 branch_width_from: Optional[str] = None,
                 grouped_entry: bool = False,
                 with_cp: bool = False,
                 norm_cfg: dict = dict(type='BN'),
                 init_cfg: Union[dict, List[dict], None] = None) -> None:
        super().__init__(init_cfg, frozen_stages, norm_eval)
        num_blocks = _num_blocks(depth, num_blocks)
        _check_positive(stem_channels=stem_channels, expansion=expansion)
        _check_levels(out_indices, frozen_stages, num_levels=len(num_blocks))
        self.out_indices = tuple(out_indices)
        num_levels = max(out_indices) + 1
        self.stem = Stem(stem_channels, norm_cfg)
        self.down = DownPath(
            _block_factory(block, expansion, num_branches, match_capacity, branch_width_from, grouped_entry, with_cp, norm_cfg),
            num_blocks[:num_levels], stem_channels, _level_channels(stem_channels, expansion, num_levels))
        self._freeze()
        self._lay_out()

    def forward(self, x: Tensor) -> Tuple[Tensor, ...]:
        refuse_single_values(self, x, Stem.STRIDE * 2**max(self.out_indices))
        with counted_together(self):
            levels = self.down(self.stem(x))
        return tuple(levels[i] for i in self.out_indices)

    def _parts_to_freeze(self) -> List[nn.Module]:
        return [self.stem, *self.down.levels]


def _block_factory(block: str, expansion: int, num_branches: int, match_capacity: bool, branch_width_from: Optional[str],
                   grouped_entry: bool, with_cp: bool, norm_cfg: dict) -> BlockFactory:
    _check_block(block, num_branches=(num_branches, 4), match_capacity=(match_capacity, False),
                 branch_width_from=(branch_width_from, None), grouped_entry=(grouped_entry, False))
    kind = partial(BLOCKS[block], with_cp=with_cp, norm_cfg=norm_cfg)

    def make_rsb(in_channels: int, out_channels: int, stride: int) -> nn.Module:
        width = branch_width(in_channels, out_channels, expansion, branch_width_from)
        if match_capacity:
            width = matched_branch_width(in_channels, out_channels, num_branches, four=width)
        return kind(in_channels, out_channels, stride=stride, branch_width=width, num_branches=num_branches,
                    grouped_entry=grouped_entry)

    def make_rival(in_channels: int, out_channels: int, stride: int) -> nn.Module:
        width = RIVALS[block].default_width(in_channels, out_channels, expansion)
        return kind(in_channels, out_channels, stride=stride, width=width)

    return make_rsb if block == 'rsb' else make_rival


def _level_channels(stem_channels: int, expansion: int, num_levels: int) -> Tuple[int, ...]:
    return tuple(stem_channels * 2**level * expansion for level in range(num_levels))


def _num_blocks(depth: int, num_blocks: Optional[Sequence[int]]) -> Tuple[int, ...]:
    if num_blocks is None:
        if depth not in NUM_BLOCKS:
            raise ValueError(f'depth={depth!r} is not a depth of RSN: give one of {sorted(NUM_BLOCKS)}, or the blocks of '
                             'each level as num_blocks, for example num_blocks=[3, 4, 6, 3].')
        return NUM_BLOCKS[depth]
    if not num_blocks or any(not isinstance(n, int) or n < 1 for n in num_blocks):
        raise ValueError(f'num_blocks={num_blocks!r} must list at least one block for every level, for example '
                         '[2, 2, 2, 2].')
    return tuple(num_blocks)


def _check_block(block: str, **rsb_arguments: Tuple[object, object]) -> None:
    """``rsb_arguments``: by name, what was given and the default."""
    if block not in BLOCKS:
        raise ValueError(f'block={block!r} is not a constituent unit: give one of {sorted(BLOCKS)}.')
    given = [f'{name}={value!r}' for name, (value, default) in rsb_arguments.items() if value != default]
    if given and block != 'rsb':
        raise ValueError(f"block={block!r} has no use for {', '.join(given)}: only the residual steps block, "
                         "block='rsb', knows these arguments. Leave them out.")


def _check_positive(**arguments: int) -> None:
    for name, value in arguments.items():
        if not isinstance(value, int) or value < 1:
            raise ValueError(f'{name}={value!r} must be an integer of at least 1.')


def _check_levels(out_indices: Sequence[int], frozen_stages: int, num_levels: int) -> None:
    if not isinstance(out_indices, Sequence):
        raise ValueError(f'out_indices={out_indices!r} must be a list or tuple of levels, such as ({num_levels - 1}, ).')
    if not out_indices or any(i not in range(num_levels) for i in out_indices):
        raise ValueError(f'out_indices={tuple(out_indices)} must name levels from 0 to {num_levels - 1} (shallow to deep), '
                         f'at least one. out_indices=({num_levels - 1}, ) returns the deepest.')
    _check_frozen(frozen_stages, max(out_indices) + 1, 'all that is built')


def _check_frozen(frozen_stages: int, number: int, all_of_it: str) -> None:
    if frozen_stages not in range(-1, number + 1):
        raise ValueError(f'frozen_stages={frozen_stages!r} must be from -1 (nothing) to {number} ({all_of_it}).')

"""How much the last conv1x1 of each level uses of what it is given (paper Figure 5)."""
from typing import List, NamedTuple

import torch
from torch import Tensor, nn

from ..models.multi_stage import DownPath


class LevelWeights(NamedTuple):
    """stage, level: counted from 1. weights: mean absolute filter weight of every input channel, (N, w): branch by branch.

    A block without branches has N = 1.
    """
    stage: int
    level: int
    weights: Tensor


def level_weights(backbone: nn.Module) -> List[LevelWeights]:
    """Average absolute filter weights of the last conv1x1 of each level, over the channels that it makes.

    Args:
        backbone (nn.Module): ``RSN`` or ``RSNEncoder``, with blocks of any kind.

    Returns:
        list[LevelWeights]: Stage after stage, shallow to deep.

    Raises:
        ValueError: if the backbone has no levels, or a block has no conv1x1 called ``exit``.
    """
    rows = []
    for stage, down in enumerate(down_paths(backbone), 1):
        for level, blocks in enumerate(down.levels, 1):
            block = blocks[-1]
            conv = _last_conv1x1(block)
            mean = conv.weight.detach().float().abs().mean(dim=(0, 2, 3)).cpu()
            rows.append(LevelWeights(stage, level, mean.reshape(_num_branches(block, len(mean)), -1)))
    return rows


def down_paths(backbone: nn.Module) -> List[DownPath]:
    """The ways down of a backbone of this package, one a stage."""
    body, down = getattr(backbone, 'body', None), getattr(backbone, 'down', None)
    if body is not None:
        return [stage.down for stage in body.stages]
    if down is not None:
        return [down]
    raise ValueError(f'{type(backbone).__name__} has no levels that this knows: the model must have rsn_mm.RSN or '
                     'rsn_mm.RSNEncoder as its backbone.')


def utilisation(weights: Tensor, share: float = 0.5) -> float:
    """Fraction of channels whose weight is at least ``share`` of the largest. 0 if all weights are."""
    largest = weights.max()
    return 0. if largest == 0 else (weights >= share * largest).float().mean().item()


def _last_conv1x1(block: nn.Module) -> nn.Conv2d:
    convs = [module for module in getattr(block, 'exit', nn.Identity()).modules() if isinstance(module, nn.Conv2d)]
    if not convs or convs[-1].kernel_size != (1, 1):
        raise ValueError(f'{type(block).__name__} does not end in a conv1x1 called exit, whose weights could be shown.')
    return convs[-1]


def _num_branches(block: nn.Module, channels: int) -> int:
    count = getattr(block, 'num_branches', getattr(block, 'num_splits', 1))
    return count if isinstance(count, int) and channels % count == 0 else 1


def mean_activation(feature: Tensor) -> Tensor:
    """Mean over channels of a feature (B, C, H, W), each image scaled to 0..1, (B, H, W). Constant maps become 0."""
    mean = feature.float().mean(dim=1)
    low, high = (extreme(mean, dim=(1, 2), keepdim=True) for extreme in (torch.amin, torch.amax))
    return (mean - low) / (high - low).clamp(min=torch.finfo(mean.dtype).tiny)

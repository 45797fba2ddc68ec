"""One error where a norm is unknown or not for feature maps, or a GroupNorm does not fit the widths of a network, with the
group counts that do; and where there is too little to normalise."""
import functools
import inspect
import math
from typing import Any, Callable, Dict, Type

import torch
from mmengine.registry import MODELS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.instancenorm import _InstanceNorm

GROUP_NORMS = ('GN', 'GroupNorm')
# Of other tensors than (B, C, H, W): PyTorch's own, not what derives from them, such as MMPretrain's LN2d.
NOT_OF_MAPS = (nn.LayerNorm, nn.BatchNorm1d, nn.BatchNorm3d, nn.InstanceNorm1d, nn.InstanceNorm3d)
_GIVE = 'Give BN, SyncBN, GN with num_groups, or IN.'


def checks_norm_cfg(init: Callable[..., None]) -> Callable[..., None]:
    """Decorates the ``__init__`` of a module whose argument ``norm_cfg`` is for all its normalisation layers.

    Raises:
        ValueError: in the place of PyTorch's and MMCV's errors, if there is no layer of that type, or it does not take maps (B,
            C, H, W); or if ``num_groups`` is missing or does not divide the channels of a layer: it names the layer, and the
            counts that divide the channels of all of them.
    """
    signature = inspect.signature(init)

    @functools.wraps(init)
    def checked(self: nn.Module, *args: Any, **kwargs: Any) -> None:
        try:
            init(self, *args, **kwargs)
        except (AssertionError, TypeError, ValueError, ZeroDivisionError) as error:
            bound = signature.bind(self, *args, **kwargs)
            norm_cfg = bound.arguments.get('norm_cfg') or {}
            if norm_cfg.get('type') not in GROUP_NORMS or norm_cfg.get('num_groups') == 1:
                raise
            bound.arguments['norm_cfg'] = dict(norm_cfg, num_groups=1)
            _refuse(type(self), norm_cfg, _widths(type(self), init, bound), error)
            raise
        except KeyError as error:
            norm_cfg = signature.bind(self, *args, **kwargs).arguments.get('norm_cfg') or {}
            if MODELS.get(norm_cfg.get('type', '')) is not None:
                raise
            raise ValueError(f'norm_cfg={norm_cfg!r}: there is no normalisation layer of this type. {_GIVE}') from error
        for name, part in self.named_modules():
            if type(part) in NOT_OF_MAPS:
                norm_cfg = signature.bind(self, *args, **kwargs).arguments.get('norm_cfg')
                raise ValueError(f'norm_cfg={norm_cfg!r}: {name} would be a {type(part).__name__}, which does not take feature '
                                 f'maps (B, C, H, W). {_GIVE}')

    return checked


def refuse_single_values(module: nn.Module, x: Tensor, stride: int = 1) -> None:
    """Say that a norm has nothing to normalise, before PyTorch does.

    Args:
        module (nn.Module): A backbone or head. Its norms matter where they are in training mode.
        x (Tensor): Its input (B, C, H, W).
        stride (int): Of its deepest map.

    Raises:
        ValueError: if the deepest map is a single px, and the batch a single image or the norms those of each image.
    """
    batch, _, height, width = x.shape
    if not module.training or height > stride or width > stride:
        return
    for part in module.modules():
        each = isinstance(part, _InstanceNorm)
        if part.training and (each or batch == 1 and isinstance(part, _BatchNorm)):
            images = '' if each else 'at least 2 images a batch (drop_last=True leaves out a last single one), '
            raise ValueError(f'{type(module).__name__} has an input of (B, C, H, W) = {tuple(x.shape)}, and so a feature map '
                             f'of a single px, which {type(part).__name__} cannot normalise in training. Give a larger '
                             f'input_size, {images}or another norm ({"BN" if each else "GN"}) to backbone and head.')


def _widths(cls: Type[nn.Module], init: Callable[..., None], bound: inspect.BoundArguments) -> Dict[str, int]:
    """Channels of each GroupNorm of the same module with one group, which fits any; without memory for its weights."""
    module = cls.__new__(cls)
    bound.arguments[next(iter(bound.arguments))] = module
    with torch.device('meta'):
        init(*bound.args, **bound.kwargs)
    return {name: part.num_channels for name, part in module.named_modules() if isinstance(part, nn.GroupNorm)}


def _refuse(cls: Type[nn.Module], norm_cfg: dict, widths: Dict[str, int], cause: Exception) -> None:
    groups: Any = norm_cfg.get('num_groups')
    fits = isinstance(groups, int) and groups > 0
    misfits = [name for name, width in widths.items() if not fits or width % groups]
    if not misfits:
        return
    common = math.gcd(*widths.values())
    counts = [str(count) for count in range(1, common + 1) if common % count == 0]
    where = f'does not divide the {widths[misfits[0]]} channels of {misfits[0]}' if fits else 'is no count of groups'
    raise ValueError(f'norm_cfg={norm_cfg!r}: num_groups={groups!r} {where}. {cls.__name__} has norms of '
                     f'{", ".join(map(str, sorted(set(widths.values()))))} channels: give num_groups={" or ".join(counts)}, or '
                     'another norm, such as BN or SyncBN.') from cause

"""Another input size for a config, named once."""
import math
from typing import Any, Dict, Iterator, Optional, Sequence, Tuple

# What grows with the input size (w, h), by its name in codecs, crops and heads; MMPose's MSPNHead has its map as (h, w).
SIZES = ('input_size', 'heatmap_size', 'in_featuremap_size')
TURNED_SIZES = ('out_shape', )


def set_input_size(base: Dict[str, Any],
                   input_size: Tuple[int, int],
                   *,
                   kernel_size: Optional[Sequence[int]] = None,
                   blur_kernel_size: Optional[int] = None,
                   sigma: Any = None) -> None:
    """Change the input size of all that a config inherits: crops of all pipelines, codecs, head.

    For a config with ``_base_``. Under that name MMEngine holds what is inherited, and merges what the config itself assigns
    into it when the config has run::

        _base_ = 'rsn18_coco_256x192.py'
        from rsn_mm.input_size import set_input_size  # below _base_: with an import above, MMEngine reads a lazy config

        set_input_size(_base_, (256, 320))

    Args:
        base (dict): ``_base_``; changed in place.
        input_size (tuple[int, int]): (w, h) in px. Heatmaps remain a quarter of it, or whatever they were.
        kernel_size (Sequence[int], optional): Gaussians of the targets in heatmap px, one a level, coarse to fine; a decoder
            has the last. Defaults to the inherited ones times the square root of the ratio of areas, to the nearest odd
            number: at 384x288 1.5 times those of 256x192.
        blur_kernel_size (int, optional): Gaussian over predicted maps in heatmap px. Defaults to the inherited one.
        sigma (float | tuple[float, float], optional): Width of the targets of ``UDPHeatmap``, ``MSRAHeatmap`` or
            ``SimCCLabel``, in their own unit. There is no rule for it: it must be given where a codec has one.

    Raises:
        TypeError: if ``base`` is not what a config inherits.
        ValueError: if ``input_size`` is not two positive integers, or a map would have no whole size; if ``sigma`` is missing;
            if an argument is given that no codec has, or not one Gaussian a level.
    """
    old = _inherited_size(base)
    if not _is_size(input_size):
        raise ValueError(f'input_size={input_size!r} must be (w, h), two positive integers in px.')
    if isinstance(kernel_size, int):
        raise ValueError(f'kernel_size={kernel_size} must be a sequence, one Gaussian a level. Of one: ({kernel_size}, ).')
    named = dict(kernel_size=kernel_size, blur_kernel_size=blur_kernel_size, sigma=sigma)
    named = {key: value for key, value in named.items() if value is not None}
    unused = set(named)
    for node, level, levels in _dicts(base):
        own = node.get('input_size')
        if own is not None and not (_is_size(own) and tuple(own) == old):
            continue  # of another network
        if own is not None and 'type' in node:
            unused -= node.keys()
            _set_gaussians(node, level, levels, named, math.sqrt(math.prod(input_size) / math.prod(old)))
        for name in SIZES + TURNED_SIZES:
            if _is_size(node.get(name)):
                node[name] = _scaled(name, node[name], old, input_size)
    if unused:
        raise ValueError(f'{", ".join(f"{name}={named[name]!r}" for name in sorted(unused))}: no codec of the inherited config '
                         'has that. Leave it out.')


def _inherited_size(base: Any) -> Tuple[int, int]:
    if not isinstance(base, dict):
        raise TypeError(f'base is {base!r}, but must be a dict, what a config inherits: below _base_ = ... give '
                        '_base_ itself.')
    try:
        width, height = base['model']['head']['decoder']['input_size']
    except (KeyError, TypeError) as error:
        raise ValueError('The inherited config has no model.head.decoder.input_size, which says what its size is. Inherit '
                         'from the config of a whole model.') from error
    return width, height


def _is_size(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(isinstance(side, int) and side > 0 for side in value)


def _dicts(node: Any, level: int = -1, levels: Optional[int] = None) -> Iterator[Tuple[Dict[str, Any], int, Optional[int]]]:
    """All dicts, each with its place in the list that it stands in, and the length of that (-1 and None: in no list)."""
    if isinstance(node, dict):
        yield node, level, levels
        for child in node.values():
            yield from _dicts(child)
    elif isinstance(node, (list, tuple)):
        for place, child in enumerate(node):
            yield from _dicts(child, place, len(node))


def _set_gaussians(codec: Dict[str, Any], level: int, levels: Optional[int], named: Dict[str, Any], growth: float) -> None:
    if 'sigma' in codec and 'sigma' not in named:
        raise ValueError(f'sigma is missing: the targets of {codec["type"]} have sigma={codec["sigma"]!r} at '
                         f'{tuple(codec["input_size"])}, and no rule says what another size wants. Name it (for heatmaps, '
                         'MMPose takes 2 at 256x192 and 3 at 384x288).')
    for name in ('sigma', 'blur_kernel_size'):
        if name in codec and name in named:
            codec[name] = named[name]
    if 'kernel_size' not in codec:
        return
    if 'kernel_size' not in named:
        codec['kernel_size'] = 2 * int(codec['kernel_size'] * growth / 2) + 1
    elif levels is not None and levels != len(named['kernel_size']):
        raise ValueError(f'kernel_size={tuple(named["kernel_size"])} has {len(named["kernel_size"])} Gaussians, but there are '
                         f'{levels} levels. Give one a level, coarse to fine.')
    else:
        codec['kernel_size'] = named['kernel_size'][level]


def _scaled(name: str, size: Any, old: Tuple[int, int], new: Tuple[int, int]) -> Any:
    """A size in the type that it had, tuple or list."""
    if name in TURNED_SIZES:
        old, new = old[::-1], new[::-1]
    if any(side * target % source for side, target, source in zip(size, new, old)):
        steps = [source // math.gcd(side, source) for side, source in zip(size, old)]
        raise ValueError(f'{name} is {tuple(size)} at {old}, which makes no whole number at {new}. Give multiples of '
                         f'{" and ".join(map(str, dict.fromkeys(steps)))}.')
    return type(size)(side * target // source for side, target, source in zip(size, new, old))

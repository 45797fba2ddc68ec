"""Whole state dicts from one convention to another, every tensor accounted for."""
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from torch import Tensor

from .layer_names import (
    AUTHORS,
    CONVENTIONS,
    HEAD,
    MMPOSE,
    MSPN_BACKBONE,
    OURS,
    RSN_BACKBONE,
    Layer,
    Place,
    find,
    name_of,
    num_levels,
    spare_tensors_of,
    tensors_of,
)
from .loading import is_mspn, shaped_for

AUTO = 'auto'
STEM = 'backbone.body.stem.0.conv.weight'
# What stands before the names of backbone and head. The authors' network is both in one.
PREFIXES = {OURS: ('backbone.', 'head.'), MMPOSE: ('backbone.', 'head.'), AUTHORS: ('', '')}
BEGINNINGS = {OURS: ('backbone.body.', ), MMPOSE: ('backbone.top.', 'backbone.multi_stage_'),
              AUTHORS: ('top.conv.', 'stage0.')}


class _Sizes(NamedTuple):
    num_stages: int
    num_blocks: Dict[int, int]
    num_branches: int
    has_first_shortcut: bool
    has_head: bool
    has_prm: bool
    has_biases: bool


def convert(state: Dict[str, Tensor], target: str, source: str = AUTO, keep_bgr: bool = False) -> Dict[str, Tensor]:
    """Rename the tensors of a checkpoint, and fit those of the authors to layers without a bias and to RGB images.

    Args:
        state (dict[str, Tensor]): Tensors by name, without ``module.`` (see :func:`unwrapped`).
        target (str): Whose names are wanted, ``'ours'`` or ``'mmpose'``.
        source (str): Whose names are given: ``'mmpose'``, ``'authors'``, ``'ours'``, or ``'auto'`` to tell it from them.
        keep_bgr (bool): Leave the authors' stem as it is, for images in BGR. By default its input channels are turned
            round, for images in RGB.

    Returns:
        dict[str, Tensor]: The converted state dict. Tensors that stay as they are, are shared with ``state``.

    Raises:
        ValueError: if tensors are missing, or are not of RSN or MSPN as that convention has them; for an unknown
            convention; for layers that the target does not have.
    """
    source = convention_of(state) if source == AUTO else source
    if source not in CONVENTIONS or target not in (OURS, MMPOSE):
        raise ValueError(f'From {source!r} to {target!r} there is no way: convert from {", ".join(CONVENTIONS)} or {AUTO}, '
                         f'to {OURS} or {MMPOSE}.')
    if source == target:
        return dict(state)
    ours = _renamed(state, source, OURS) if source != OURS else dict(state)
    if source == AUTHORS:
        ours = _with_biases_folded(ours)
        if not keep_bgr:
            ours[STEM] = ours[STEM].flip(1)
    return ours if target == OURS else _renamed(ours, OURS, MMPOSE)


def unwrapped(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Without ``module.`` of parallel training, ``keypoint_head`` of MMPose 0.x and the constants of MMPose 1.x's input."""
    result = {}
    for name, tensor in state.items():
        while name.startswith('module.'):
            name = name[len('module.'):]
        if name.startswith('keypoint_head.'):
            name = name[len('keypoint_'):]
        if name not in ('data_preprocessor.mean', 'data_preprocessor.std'):
            result[name] = tensor
    return result


def convention_of(state: Dict[str, Tensor]) -> str:
    """Whose names a state dict has.

    Raises:
        ValueError: if it is none of a known convention.
    """
    for convention, beginnings in BEGINNINGS.items():
        if any(name.startswith(beginnings) for name in state):
            return convention
    raise ValueError(f'This is no checkpoint of RSN or MSPN: of its {len(state)} tensors{_example(list(state))} none has a '
                     "name that RSN has here, in MMPose or in the authors' code.")


def _renamed(state: Dict[str, Tensor], source: str, target: str) -> Dict[str, Tensor]:
    backbone_prefix, _ = PREFIXES[source]
    own = [name[len(backbone_prefix):] for name in state if name.startswith(backbone_prefix)]
    tables = (MSPN_BACKBONE if is_mspn(own) else RSN_BACKBONE, HEAD)
    num_units = num_levels(own, tables[0], source)
    if num_units == 0:
        raise ValueError(f'Of these {len(state)} tensors{_example(list(state))} none is of a block of the backbone in '
                         f'{_WHOSE[source]} names: this is not a whole RSN or MSPN. Nothing was converted.')
    result: Dict[str, Tensor] = {}
    parts: Tuple[List[Place], List[Place]] = ([], [])
    unknown = []
    for name, tensor in state.items():
        found = _find(name, tables, source, num_units)
        new_name = None if found is None else name_of(found[1], target)
        if found is None or new_name is None:
            unknown.append(name)
            continue
        part, place = found
        parts[part].append(place)
        result[PREFIXES[target][part] + new_name] = shaped_for(target, tensor, place)
    missing = [name for name in _expected(parts, tables, source, num_units) if name not in state]
    if missing or unknown:
        raise ValueError(f"This is not a whole RSN or MSPN in {_WHOSE[source]} names that {_WHOSE[target]} structure has: "
                         f'{len(missing)} tensors are missing{_example(missing)}, and {len(unknown)} have no place'
                         f'{_example(unknown)}. Nothing was converted.')
    return result


_WHOSE = {OURS: 'our', MMPOSE: "MMPose's", AUTHORS: "the authors'"}


def _find(name: str, tables: Tuple[List[Layer], List[Layer]], source: str, num_units: int) -> Optional[Tuple[int, Place]]:
    for part, (prefix, table) in enumerate(zip(PREFIXES[source], tables)):
        place = find(name[len(prefix):], table, source, num_units) if name.startswith(prefix) else None
        if place is not None and place.tensor in tensors_of(place.layer) + spare_tensors_of(place.layer, source):
            return part, place
    return None


def _expected(parts: Tuple[List[Place], List[Place]], tables: Tuple[List[Layer], List[Layer]], source: str,
              num_units: int) -> Iterator[str]:
    """Names of all tensors that a network of the sizes of these must have."""
    sizes = _sizes_of(*parts, source)
    for part, table in enumerate(tables):
        for layer in table:
            for counts in _counts_of(layer, sizes, num_units):
                for tensor in tensors_of(layer) + (('conv.bias', ) if sizes.has_biases else ()):
                    # By our name, which has few counts, to all counts of the layer.
                    place = find(f'{layer.ours.format(**counts)}.{tensor}', table, OURS, num_units)
                    name = None if place is None else name_of(place, source)
                    if name is not None:
                        yield PREFIXES[source][part] + name


def _sizes_of(backbone: List[Place], head: List[Place], source: str) -> _Sizes:
    num_blocks: Dict[int, int] = {}
    for place in backbone:
        if 'block' in place.counts:
            level = int(place.counts['level'])
            num_blocks[level] = max(num_blocks.get(level, 0), int(place.counts['block']) + 1)
    return _Sizes(
        num_stages=1 + max((int(place.counts['stage']) for place in backbone + head if 'stage' in place.counts), default=0),
        num_blocks=num_blocks,
        num_branches=1 + max((int(place.counts['row']) for place in backbone if 'row' in place.counts), default=-1),
        has_first_shortcut=any(place.layer.ours.endswith('shortcut') and place.counts['level'] == '0' for place in backbone),
        has_head=bool(head) or source == AUTHORS,
        has_prm=any(place.layer.ours.startswith('heatmap_prms') for place in head),
        has_biases=any(place.tensor == 'conv.bias' for place in backbone + head))


def _counts_of(layer: Layer, sizes: _Sizes, num_units: int) -> Iterator[Dict[str, int]]:
    """Where a network of these sizes has this layer, in the counts of our names."""
    if layer in HEAD and not (sizes.has_prm if layer.ours.startswith('heatmap_prms') else sizes.has_head):
        return
    if '{stage}' not in layer.ours:
        yield {}
        return
    for stage in range(sizes.num_stages - ('.cross.' in layer.ours)):
        if '.to_next' in layer.ours:
            yield dict(stage=stage)
            continue
        for level in range(num_units):
            unit = num_units - 1 - level
            place = dict(stage=stage, level=level, unit=unit)
            if '{block}' in layer.ours:
                yield from (dict(place, **inside) for inside in _counts_in_level(layer, level, sizes))
            elif not (layer.ours.endswith('from_below') and unit == 0):
                yield place


def _counts_in_level(layer: Layer, level: int, sizes: _Sizes) -> Iterator[Dict[str, int]]:
    for block in range(sizes.num_blocks.get(level, 1)):
        if '{row}' in layer.ours:
            yield from (dict(block=block, row=row, step=step) for row in range(sizes.num_branches) for step in range(row + 1))
        elif not layer.ours.endswith('shortcut') or (block == 0 and (level > 0 or sizes.has_first_shortcut)):
            yield dict(block=block)


def _with_biases_folded(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """A normalisation takes away what a convolution's bias adds: norm(x + bias) is norm(x) with the mean less by it."""
    result = {}
    for name, tensor in state.items():
        if name.endswith('.conv.bias'):
            continue
        bias = state.get(name[:-len('bn.running_mean')] + 'conv.bias') if name.endswith('.bn.running_mean') else None
        if bias is not None and bias.shape != tensor.shape:
            raise ValueError(f'{name} has shape {tuple(tensor.shape)}, but the bias of its convolution {tuple(bias.shape)}: '
                             'the file is damaged. Nothing was converted.')
        result[name] = tensor if bias is None else tensor - bias
    return result


def _example(names: List[str]) -> str:
    return f' (for example {names[0]})' if names else ''

"""What the layers of RSN are called here, in MMPose and in the authors' code, as one table.

Nothing outside this package knows a foreign name. Words in braces count a layer; :func:`_all_counts` says how the
conventions' ways of counting hang together.
"""
import re
from typing import Dict, Iterable, List, NamedTuple, Optional, Tuple

OURS, MMPOSE, AUTHORS = 'ours', 'mmpose', 'authors'
CONVENTIONS = (OURS, MMPOSE, AUTHORS)

# Kinds of layers: a ConvModule, a convolution alone, a linear layer (a conv1x1 here), a normalisation layer.
CONV_NORM, CONV, LINEAR, NORM = 'conv_norm', 'conv', 'linear', 'norm'
NORM_TENSORS = ('weight', 'bias', 'running_mean', 'running_var')


class Layer(NamedTuple):
    """One layer's kind, and its name in each convention; None where a convention has no such layer."""
    kind: str
    ours: str
    mmpose: str
    authors: Optional[str] = None


class Place(NamedTuple):
    """A layer of the table with its counts, and the tensor of it that is meant, as in ``conv.weight``."""
    layer: Layer
    counts: Dict[str, str]
    tensor: str


def _rows(kind: str, ours: str, mmpose: str, authors: Optional[str], names: Iterable[Tuple[str, ...]]) -> List[Layer]:
    """Rows below a common beginning of each convention."""
    return [
        Layer(kind, ours + row[0], mmpose + row[1], authors + row[2] if authors is not None and len(row) > 2 else None)
        for row in names
    ]


_OURS, _AUTHORS = 'body.stages.{stage}.', 'stage{stage}.'
_PRM = ('heatmap_prms.{stage}.{unit}.', 'predict_layers.{index}.prm.', None)


def _backbone(mmpose: str, block: List[Layer]) -> List[Layer]:
    """A backbone whose stages MMPose calls ``mmpose``, of some blocks."""
    up = (_OURS, mmpose + 'upsample.up', _AUTHORS + 'upsample.up')
    return [
        Layer(CONV_NORM, 'body.stem.0', 'top.top.0', 'top.conv'), *block,
        *_rows(CONV_NORM, *up, [
            ('up.units.{unit}.from_level', '{up}.in_skip', '{up}.u_skip'),
            ('up.units.{unit}.from_below', '{up}.up_conv', '{up}.up_conv'),
            ('cross.from_levels.{level}', '{up}.out_skip1', '{up}.skip1'),
            ('cross.from_units.{level}', '{up}.out_skip2', '{up}.skip2'),
            ('cross.to_next', '{num_units}.cross_conv', '{num_units}.cross_conv'),
        ])
    ]


def _in_block(mmpose: str) -> Tuple[str, str, str]:
    inside = 'downsample.layer{layer}.{block}.'
    return _OURS + 'down.levels.{level}.{block}.', mmpose + inside, _AUTHORS + inside


_RSN, _MSPN = 'multi_stage_rsn.{stage}.', 'multi_stage_mspn.{stage}.'

RSN_BACKBONE = _backbone(_RSN, _rows(CONV_NORM, *_in_block(_RSN), [
    ('entry', 'conv_bn_relu1', 'conv_bn_relu1'),
    ('branches.{row}.{step}', 'conv_bn_relu2_{row1}_{step1}', 'conv_bn_relu2_{row1}_{step1}'),
    ('exit', 'conv_bn3', 'conv_bn_relu3'),
    ('shortcut', 'downsample', 'downsample'),
]))
# Of ResNet's blocks, whose layers MMPose has side by side. The authors released no such network.
MSPN_BACKBONE = _backbone(_MSPN, [
    *_rows(CONV, *_in_block(_MSPN), [('entry.conv', 'conv1'), ('middle.conv', 'conv2'), ('exit.conv', 'conv3')]),
    *_rows(NORM, *_in_block(_MSPN), [('entry.bn', 'bn1'), ('middle.bn', 'bn2'), ('exit.bn', 'bn3')]),
    *_rows(CONV_NORM, *_in_block(_MSPN), [('shortcut', 'downsample')]),
])

HEAD: List[Layer] = [
    *_rows(CONV_NORM, 'predictors.{stage}.{unit}.', 'predict_layers.{index}.conv_layers.',
           _AUTHORS + 'upsample.up{up}.', [('0', '0', 'res_conv1'), ('1', '1', 'res_conv2')]),
    *_rows(CONV_NORM, *_PRM, [('refine', 'conv_bn_relu_prm_1'), ('beta.0', 'bottom_path.0'),
                              ('beta.1', 'bottom_path.1.depthwise_conv'), ('beta.2', 'bottom_path.1.pointwise_conv')]),
    *_rows(LINEAR, *_PRM, [('alpha.1', 'middle_path.0'), ('alpha.4', 'middle_path.3')]),
    *_rows(NORM, *_PRM, [('alpha.2', 'middle_path.1'), ('alpha.5', 'middle_path.4')]),
]


def find(name: str, table: List[Layer], convention: str, num_units: int) -> Optional[Place]:
    """Where a tensor belongs.

    Args:
        name (str): Name of the tensor, without what stands before the backbone's or head's own names.
        table (list[Layer]): ``RSN_BACKBONE``, ``MSPN_BACKBONE`` or ``HEAD``.
        convention (str): Whose name it is.
        num_units (int): Units (and levels) of a stage, which a name alone does not tell.

    Returns:
        Place | None: None if it is no name of that convention.
    """
    for layer in table:
        match = _match(getattr(layer, convention), name)
        if match is not None:
            found = match.groupdict()
            tensor = found.pop('tensor')
            counts = _all_counts(found, num_units)
            return None if counts is None else Place(layer, counts, tensor)
    return None


def name_of(place: Place, convention: str) -> Optional[str]:
    """The tensor's name in a convention, None where it has no such layer."""
    template = getattr(place.layer, convention)
    return None if template is None else f'{template.format(**place.counts)}.{place.tensor}'


def tensors_of(layer: Layer) -> Tuple[str, ...]:
    """The tensors that a layer cannot do without."""
    if layer.kind == CONV_NORM:
        return ('conv.weight', *(f'bn.{name}' for name in NORM_TENSORS))
    return {CONV: ('weight', ), LINEAR: ('weight', 'bias'), NORM: NORM_TENSORS}[layer.kind]


def spare_tensors_of(layer: Layer, convention: str) -> Tuple[str, ...]:
    """The tensors that a layer may have besides: old files count no batches, and only the authors' convolutions have a bias."""
    if layer.kind == CONV_NORM:
        return ('bn.num_batches_tracked', 'conv.bias') if convention == AUTHORS else ('bn.num_batches_tracked', )
    return ('num_batches_tracked', ) if layer.kind == NORM else ()


def num_levels(names: Iterable[str], table: List[Layer], convention: str) -> int:
    """Levels of a backbone, which are as many as the units of its stages, told from names of the way down."""
    templates = [template for template in (getattr(layer, convention) for layer in table)
                 if template is not None and '{block}' in template]
    matches = (_match(template, name) for name in names for template in templates)
    counted = [int(match['layer']) if 'layer' in match.groupdict() else int(match['level']) + 1
               for match in matches if match is not None]
    return max(counted, default=0)


def _match(template: Optional[str], name: str) -> Optional['re.Match[str]']:
    if template is None:
        return None
    pattern = _PATTERNS.get(template)
    if pattern is None:
        text = re.sub(r'\\{(\w+)\\}', r'(?P<\1>\\d+)', re.escape(template))
        pattern = _PATTERNS[template] = re.compile(text + r'\.(?P<tensor>.+)')
    return pattern.fullmatch(name)


_PATTERNS: Dict[str, 're.Pattern[str]'] = {}


def _all_counts(found: Dict[str, str], num_units: int) -> Optional[Dict[str, str]]:
    """Every way to count a layer, from those that its name has; None where they contradict the sizes.

    Levels run from shallow (0) to deep, units from deep (0) to shallow: unit u stands at level num_units - 1 - u. MMPose
    and the authors count both from 1 (``layer``, ``up``), and MMPose's head counts the units of all stages (``index``).
    """
    n = {name: int(value) for name, value in found.items()}
    if n.setdefault('num_units', num_units) != num_units:
        return None
    if 'index' in n:
        n['stage'], n['unit'] = divmod(n['index'], num_units)
    for zero_based, one_based in (('level', 'layer'), ('unit', 'up'), ('row', 'row1'), ('step', 'step1')):
        if one_based in n:
            n[zero_based] = n[one_based] - 1
    if 'level' in n:
        n['unit'] = num_units - 1 - n['level']
    elif 'unit' in n:
        n['level'] = num_units - 1 - n['unit']
    for zero_based, one_based in (('level', 'layer'), ('unit', 'up'), ('row', 'row1'), ('step', 'step1')):
        if zero_based in n:
            n[one_based] = n[zero_based] + 1
    if 'unit' in n and 'stage' in n:
        n['index'] = n['stage'] * num_units + n['unit']
    if min(n.values()) < 0:
        return None
    return {name: str(value) for name, value in n.items()}

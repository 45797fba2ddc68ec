"""Weights of MMPose's RSN are understood; those of another architecture are refused, not skipped."""
from typing import Any, Dict, List, Optional

from torch import Tensor, nn

from ..checkpoints.loading import adopt_mmpose_names, is_mspn, keep_way_down


def refuse_foreign_weights(module: nn.Module, state_dict: Dict[str, Tensor], prefix: str, *unused: Any) -> None:
    """Pre-hook of ``load_state_dict``: stop when weights do not fit, on every way into the model.

    MMEngine loads checkpoints leniently (``load_from``, ``init_model``, test): tensors that are missing or have another
    shape are reported in the log and stay at their random initial values, so that a test of the wrong checkpoint ends in
    an AP of zero. This raises instead. PyTorch does not tell hooks of ``strict=False``, so a part of a backbone or head is
    loaded into that part: ``model.backbone.body.stem.load_state_dict(...)``.

    Before that, names of stock MMPose (RSN, MSPN, MSPNHead) become ours in ``state_dict``, and an encoder takes its part
    of a whole RSN: the stem and the way down of the first stage.

    Raises:
        ValueError: naming how many tensors are missing or of another shape, with examples and remedy.
    """
    adopt_mmpose_names(state_dict, prefix, getattr(module, 'num_units', None))
    down = getattr(module, 'down', None)
    if down is not None:
        keep_way_down(state_dict, prefix, len(down.levels))
    expected = module.state_dict()
    # Counters of batches came late to PyTorch: old checkpoints have none.
    own = {name: tensor for name, tensor in expected.items() if not name.endswith('num_batches_tracked')}
    given = {name[len(prefix):]: tensor for name, tensor in state_dict.items() if name.startswith(prefix)}
    missing = [name for name in own if name not in given]
    reshaped = [name for name in own if name in given and given[name].shape != own[name].shape]
    surplus = [name for name in given if name not in expected]
    if not (missing or reshaped or surplus):
        return
    shapes = [f'{name}: {tuple(given[name].shape)}, here {tuple(own[name].shape)}' for name in reshaped]
    raise ValueError(
        f'This checkpoint does not fit this {type(module).__name__}: of its {len(own)} tensors {len(missing)} are missing'
        f'{_example(missing)}, {len(reshaped)} have another shape{_example(shapes)}, and {len(surplus)} of the checkpoint '
        f'have no place here{_example(surplus)}. {_other_family(given, own)}Use the config that the checkpoint was trained '
        'with (depth, num_stages, num_branches, stem_channels, expansion, out_channels and prm must agree). To start from its '
        "backbone alone, drop load_from and set model.backbone.init_cfg=dict(type='Pretrained', checkpoint=<file>, "
        "prefix='backbone.'). Files of the authors' code are converted first: tools/convert_checkpoint.py.")


def _other_family(given: Dict[str, Tensor], own: Dict[str, Tensor]) -> str:
    """A sentence where the levels of the one are several times as wide as those of the other."""
    expansions = [_expansion(tensors) for tensors in (given, own)]
    if None in expansions or expansions[0] == expansions[1] or is_mspn([*given, *own]):
        return ''
    return (f'It is of expansion {expansions[0]}, this model of expansion {expansions[1]} (1: the released structure; 4: the '
            'configs with _wide). ')


def _expansion(tensors: Dict[str, Tensor]) -> Optional[int]:
    """That of a backbone by its names and shapes, None where they do not tell."""
    first = next((name for name in tensors if name.endswith('down.levels.0.0.exit.conv.weight')), None)
    stem = next((name for name in tensors if name.endswith('stem.0.conv.weight')), None)
    if first is None or stem is None or len(tensors[first]) % len(tensors[stem]):
        return None
    return len(tensors[first]) // len(tensors[stem])


def _example(names: List[str]) -> str:
    return f' (for example {names[0]})' if names else ''

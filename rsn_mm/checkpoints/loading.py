"""MMPose's names in a state dict become ours while a model loads it."""
import re
from typing import Dict, List, Optional

from torch import Tensor

from .layer_names import HEAD, LINEAR, MMPOSE, MSPN_BACKBONE, OURS, RSN_BACKBONE, Layer, Place, find, name_of, num_levels

_OF_A_STAGE = re.compile(r'body\.stages\.\d+\.(down\.levels|up\.units|cross)\.')
_OF_FIRST_WAY_DOWN = re.compile(r'body\.stages\.0\.down\.levels\.(\d+)\.')


def adopt_mmpose_names(state_dict: Dict[str, Tensor], prefix: str, num_units: Optional[int] = None) -> None:
    """Rename in place what stock MMPose calls RSN, MSPN or MSPNHead; nothing happens to other state dicts.

    A name that is no name of MMPose's layers stays, and so has no place in the model.

    Args:
        state_dict (dict[str, Tensor]): Tensors by name.
        prefix (str): What stands before the backbone's or head's own names.
        num_units (int, optional): Units of a stage. None tells it from the names, which a head's cannot do.
    """
    own = [name[len(prefix):] for name in state_dict if name.startswith(prefix)]
    table = _mmpose_table(own)
    if table is None:
        return
    num_units = num_levels(own, table, MMPOSE) if num_units is None else num_units
    for name in own:
        place = find(name, table, MMPOSE, num_units)
        if place is not None:
            tensor = state_dict.pop(prefix + name)
            state_dict[f'{prefix}{name_of(place, OURS)}'] = shaped_for(OURS, tensor, place)


def keep_way_down(state_dict: Dict[str, Tensor], prefix: str, num_levels_kept: int) -> None:
    """Turn in place a whole RSN into an encoder: the stem and the way down of the first stage, the rest left out.

    Only what is a layer of a stage is left out. A state dict of an encoder stays as it is.

    Args:
        state_dict (dict[str, Tensor]): Tensors by our names.
        prefix (str): What stands before the backbone's own names.
        num_levels_kept (int): Levels that the encoder has.
    """
    for name in [name[len(prefix):] for name in state_dict if name.startswith(prefix + 'body.')]:
        level = _OF_FIRST_WAY_DOWN.match(name)
        if name.startswith('body.stem.') or (level and int(level[1]) < num_levels_kept):
            state_dict[prefix + re.sub(r'^body\.(stages\.0\.)?', '', name)] = state_dict.pop(prefix + name)
        elif _OF_A_STAGE.match(name):
            del state_dict[prefix + name]


def is_mspn(names: List[str]) -> bool:
    """Whether a backbone, in our names or MMPose's, is of ResNet's blocks."""
    return any(name.startswith('multi_stage_mspn.') or '.middle.' in name for name in names)


def shaped_for(convention: str, tensor: Tensor, place: Place) -> Tensor:
    """MMPose's PRM has linear layers (K, K) on pooled maps where ours has conv1x1 (K, K, 1, 1)."""
    if place.layer.kind == LINEAR and place.tensor == 'weight':
        if convention == MMPOSE:
            return tensor.flatten(1)
        return tensor[:, :, None, None] if tensor.dim() == 2 else tensor
    return tensor


def _mmpose_table(names: List[str]) -> Optional[List[Layer]]:
    if any(name.startswith('predict_layers.') for name in names):
        return HEAD
    if any(name.startswith(('top.top.', 'multi_stage_')) for name in names):
        return MSPN_BACKBONE if is_mspn(names) else RSN_BACKBONE
    return None

"""Checkpoint files: read without running code that they may hold, written whole or not at all."""
import os
from typing import Any, Dict, Tuple

import torch
from torch import Tensor

from ..files import given_path, whole_or_not
from .convert import AUTO, convention_of, convert, unwrapped
from .layer_names import OURS
from .reading import load_from_local
from .safetensors_file import SUFFIX, is_safetensors, write_safetensors

SUFFIXES = ('.pth', '.pt', SUFFIX)
CONVOLUTION = 4  # axes of a weight


def convert_file(source_path: str,
                 target_path: str,
                 target: str = OURS,
                 source: str = AUTO,
                 trust: bool = False,
                 keep_bgr: bool = False,
                 half: bool = False,
                 bare: bool = False) -> Tuple[str, int]:
    """Convert a checkpoint file; see :func:`rsn_mm.checkpoints.convert.convert`.

    Args:
        source_path (str): ``.pth`` or ``.pt`` (MMEngine's, the authors' or a bare state dict) or ``.safetensors``.
        target_path (str): File to write, in the format that its end names. Replaced if it exists.
        target (str): ``'ours'`` or ``'mmpose'``.
        source (str): ``'mmpose'``, ``'authors'``, ``'ours'`` or ``'auto'``.
        trust (bool): Whether code in the file may run, for files from a trusted origin.
        keep_bgr (bool): Leave the authors' weights to images in BGR.
        half (bool): Write the weights of convolutions in float16; see :func:`halve`.
        bare (bool): Leave out what training noted in ``meta``: config, seed, time.

    Returns:
        tuple: Whose names the file had, and how many tensors were written.

    Raises:
        FileNotFoundError, ValueError, OSError, ImportError: one clear error, and no file or part of one is written.
    """
    source_path, target_path = str(given_path('source_path', source_path)), str(given_path('target_path', target_path))
    _check_target(source_path, target_path)
    state, meta = read_weights(source_path, trust)
    source = convention_of(state) if source == AUTO else source
    converted = convert(state, target, source, keep_bgr)
    converted = halve(converted) if half else converted
    write_weights(target_path, converted, {} if bare else dict(meta, converted_from=source))
    return source, len(converted)


def read_weights(path: str, trust: bool = False) -> Tuple[Dict[str, Tensor], dict]:
    """Read the tensors of a checkpoint by name, and its ``meta``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no checkpoint, or holds more than tensors and plain types and is not trusted.
    """
    checkpoint = load_from_local(path, map_location='cpu', trust=trust)
    state: Any = checkpoint
    for key in ('state_dict', 'model'):
        if isinstance(checkpoint, dict) and isinstance(checkpoint.get(key), dict):
            state = checkpoint[key]
            break
    if not isinstance(state, dict) or not state or not all(
            isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in state.items()):
        raise ValueError(f'{path!r} is no checkpoint of a model: it has no tensors by name, neither under "state_dict" nor '
                         'under "model" nor at its top.')
    meta = checkpoint.get('meta')
    return unwrapped(state), meta if isinstance(meta, dict) else {}


def halve(state: Dict[str, Tensor]) -> Dict[str, Tensor]:
    """Weights of convolutions in float16, which halves the file. Scales, shifts and statistics stay as they are.

    They are a hundredth of the bytes, and a running variance may be larger than float16 can hold.

    Raises:
        ValueError: if a weight is too large for float16, whose largest number is 65,504.
    """
    halved = {name: tensor.half() if tensor.dim() == CONVOLUTION and tensor.is_floating_point() else tensor
              for name, tensor in state.items()}
    too_large = [name for name, tensor in state.items() if halved[name].isinf().any() and not tensor.isinf().any()]
    if too_large:
        raise ValueError(f'{too_large[0]!r} has weights above 65,504, the largest number of float16. Leave half out.')
    return halved


def write_weights(path: str, state: Dict[str, Tensor], meta: dict) -> None:
    """Write a checkpoint that MMEngine loads, beside its place first, so that no half of a file is ever found there."""
    try:
        with whole_or_not(path) as unfinished:
            if is_safetensors(path):
                write_safetensors(str(unfinished), state, meta)
            else:
                # Views would bring along the whole tensors that they look at.
                alone = {name: tensor.clone() for name, tensor in state.items()}
                torch.save(dict(meta=meta, state_dict=alone), str(unfinished))
    except (OSError, RuntimeError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OSError(f'{path!r} cannot be written: {reason}. Give a place that can be written to, with '
                      'room enough.') from error


def _check_target(source_path: str, target_path: str) -> None:
    """Find out early, before a large file is read."""
    if not target_path.endswith(SUFFIXES):
        raise ValueError(f'{target_path!r} names no format: give a file that ends in {", ".join(SUFFIXES)}.')
    folder = os.path.dirname(os.path.abspath(target_path))
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK) or os.path.isdir(target_path):
        raise OSError(f'{target_path!r} cannot be written: its folder must exist and be writable, and it must be a file.')
    if os.path.realpath(source_path) == os.path.realpath(target_path):
        raise ValueError(f'{target_path!r} is the file to convert: give another name, so that the original is kept.')

"""MMEngine's own checkpoints on torch >= 2.6, which unpickles tensors and plain types only, and without running code.

A training checkpoint of MMEngine also holds log histories, numpy arrays and numbers. They are allowed by name here; a
file that asks for anything else is refused, unless ``RSN_MM_TRUST_CHECKPOINTS=1`` says that its origin is trusted.
"""
import os
import pickle
from typing import Any, Callable, List, Optional, Tuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader
from numpy._core import multiarray  # in numpy 1.26, too

from ..checkpoints.plain_types import restore
from ..checkpoints.safetensors_file import is_safetensors, read_safetensors

TRUST = 'RSN_MM_TRUST_CHECKPOINTS'
_STATISTICS = ('min', 'max', 'mean', 'current')


def missing() -> Optional[str]:
    return 'MMEngine cannot read its own checkpoints under torch >= 2.6'


def install() -> None:
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    mmengine_checkpoint.load_url = _load_url


def load_from_local(filename: str, map_location: Any = None, trust: bool = False) -> dict:
    """Load a checkpoint file without running code that it may hold.

    MMEngine's log takes the name of the loader apart, hence this one's name.

    Args:
        filename (str): Path of the file. One that ends in ``.safetensors`` is read as such.
        map_location: As in :func:`torch.load`.
        trust (bool): Run code that it may hold, as with ``RSN_MM_TRUST_CHECKPOINTS=1``. Defaults to False.

    Returns:
        dict: The checkpoint.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no checkpoint, is cut short, or holds more than tensors and the types named above.
    """
    filename = os.path.expanduser(filename)
    if not os.path.isfile(filename):
        raise FileNotFoundError(f'The checkpoint {filename!r} does not exist. Give the path of a .pth file, or a URL.')
    if is_safetensors(filename):
        return read_safetensors(filename, map_location)
    trusted = trust or os.environ.get(TRUST) == '1'
    try:
        with torch.serialization.safe_globals(_allowed()):
            return restore(torch.load(filename, map_location=map_location, weights_only=not trusted))
    except pickle.UnpicklingError as error:
        raise ValueError(f'The checkpoint {filename!r} is refused: it holds more than tensors and plain types, and loading '
                         f'it could run code. If you trust its origin, set {TRUST}=1 (or --trust, where a tool has it). '
                         f'({_first_line(error)})') from error
    except (RuntimeError, EOFError) as error:
        raise ValueError(f'{filename!r} is not a whole checkpoint: it may be cut short, or another kind of file. Copy or '
                         f'train it again. ({_first_line(error)})') from error


def _load_url(url: str, *args: Any, **kwargs: Any) -> dict:
    with torch.serialization.safe_globals(_allowed()):
        return restore(torch.hub.load_state_dict_from_url(
            url, *args, weights_only=os.environ.get(TRUST) != '1', **kwargs))


def _allowed() -> List[Any]:
    """What a checkpoint of MMEngine holds besides tensors and plain types."""
    numpy_types = [type(np.dtype(code)) for code in 'bBhHiIlLqQefd?']
    numpy_functions: List[Tuple[Callable, str]] = [
        # Files name these after the numpy that wrote them: numpy 1 has them in numpy.core, numpy 2 in numpy._core.
        (function, f'numpy.{core}.multiarray.{name}') for core in ('core', '_core')
        for name, function in (('_reconstruct', multiarray._reconstruct), ('scalar', multiarray.scalar))
    ]
    return [
        HistoryBuffer, np.ndarray, np.dtype, *numpy_types, *numpy_functions,
        # A history pickles its own statistics as getattr(HistoryBuffer, name): exactly that, and no other getattr.
        (_statistic, 'builtins.getattr'), (_statistic, '__builtin__.getattr')
    ]


def _statistic(owner: Any, name: str) -> Callable:
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')
    return getattr(HistoryBuffer, name)


def _first_line(error: Exception) -> str:
    return str(error).strip().split('\n')[0]

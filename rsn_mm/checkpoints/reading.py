"""Checkpoints read without running code that they may hold, MMEngine's among them.

A training checkpoint of MMEngine also holds log histories, numpy arrays and numbers, and values of a config. They are allowed
by name here; a file that asks for anything else is refused, unless ``RSN_MM_TRUST_CHECKPOINTS=1`` says that its origin is
trusted.
"""
import datetime
import os
import pickle
import re
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, List, Optional, Tuple

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from numpy._core import multiarray  # in numpy 1.26, too

from .plain_types import restore
from .safetensors_file import is_safetensors, read_safetensors

TRUST = 'RSN_MM_TRUST_CHECKPOINTS'
_STATISTICS = ('min', 'max', 'mean', 'current')
# Truth values, integers, floats, complex numbers, text, bytes, times. No objects ('O') and no records ('V'): their bytes can
# stand for addresses.
_DTYPES = '?bBhHiIlLqQefdgFDGUSMm'


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
        return _telling(read_safetensors(filename, map_location))
    trusted = trust or os.environ.get(TRUST) == '1'
    try:
        with _plain_types_only(filename):
            checkpoint = restore(torch.load(filename, map_location=map_location, weights_only=not trusted))
    except (OSError, _Refused):
        raise
    except Exception as error:  # of other files torch's reader makes anything from KeyError to struct.error
        raise ValueError(f'{filename!r} is not a whole checkpoint: it may be cut short, or another kind of file. Copy or '
                         f'train it again. ({_first_line(error)})') from error
    if not isinstance(checkpoint, dict):
        raise ValueError(f'{filename!r} holds a {type(checkpoint).__name__}, not a dict of weights. Give a checkpoint, as '
                         'trainings write it.')
    return _telling(checkpoint)


def load_url(url: str, model_dir: Optional[str] = None, map_location: Any = None, **kwargs: Any) -> dict:
    """``torch.hub.load_state_dict_from_url`` under the same rules."""
    with _plain_types_only(url):
        return _telling(restore(torch.hub.load_state_dict_from_url(
            url, model_dir, map_location, weights_only=os.environ.get(TRUST) != '1', **kwargs)))


def _telling(checkpoint: Any) -> Any:
    """The checkpoint without a ``dataset_meta`` of nothing, which would keep MMPose from asking the config for the joints."""
    meta = checkpoint.get('meta') if isinstance(checkpoint, dict) else None
    if isinstance(meta, dict) and isinstance(meta.get('dataset_meta'), dict) and not meta['dataset_meta']:
        del meta['dataset_meta']
    return checkpoint


class _Refused(ValueError):
    """What is in a checkpoint is not loaded."""


@contextmanager
def _plain_types_only(name: str) -> Iterator[None]:
    """Allow what a checkpoint may hold; a refusal becomes a ValueError that says of what."""
    try:
        with torch.serialization.safe_globals(_allowed()):
            yield
    except pickle.UnpicklingError as error:
        if 'Unsupported operand' in str(error) or 'invalid load key' in str(error):
            raise _Refused(f'{name!r} is no checkpoint, but another kind of file.') from error
        raise _Refused(f'The checkpoint {name!r} is refused: it holds {_refused(error)}, which is neither a tensor nor a '
                         'plain type, and loading it could run code. If you trust its origin, set '
                         f'{TRUST}=1 (or --trust, where a tool has it).') from error


def _allowed() -> List[Any]:
    """What a checkpoint of MMEngine holds besides tensors and plain types."""
    dtypes = [type(np.dtype(code)) for code in _DTYPES]
    numpy_functions: List[Tuple[Callable, str]] = [
        # Files name these after the numpy that wrote them: numpy 1 has them in numpy.core, numpy 2 in numpy._core.
        (function, f'numpy.{core}.multiarray.{name}') for core in ('core', '_core')
        for name, function in (('_reconstruct', multiarray._reconstruct), ('scalar', multiarray.scalar))
    ]
    builtins: List[Tuple[Callable, str]] = [
        # Python 3 writes its names as Python 2's. A history pickles its own statistics as getattr(HistoryBuffer, name):
        # exactly that, and no other getattr. The data of an empty array are bytes().
        (function, f'{module}.{name}') for module in ('builtins', '__builtin__')
        for name, function in (('getattr', _statistic), ('bytes', _no_bytes), ('frozenset', frozenset))
    ]
    paths: List[Tuple[Callable, str]] = [  # A file may come from another system, or from Python 3.13.
        (Path, f'{module}.{name}') for module in ('pathlib', 'pathlib._local') for name in ('PosixPath', 'WindowsPath')
    ]
    return [
        HistoryBuffer, ConfigDict, datetime.datetime, datetime.date, datetime.timedelta, np.ndarray, np.dtype, *dtypes,
        *numpy_functions, *builtins, *paths
    ]


def _statistic(owner: Any, name: str) -> Callable:
    if owner is not HistoryBuffer or name not in _STATISTICS:
        raise pickle.UnpicklingError(f'getattr({owner!r}, {name!r}) is not allowed in a checkpoint')
    return getattr(HistoryBuffer, name)


def _no_bytes(*args: Any) -> bytes:
    """``bytes()``: with an argument it would take as much memory as a file asks for."""
    if args:
        raise pickle.UnpicklingError('GLOBAL bytes with an argument')
    return b''


def _refused(error: pickle.UnpicklingError) -> str:
    """The type that torch's message is about."""
    found = re.search(r"GLOBAL (\S+)|got <class '([^']+)'>", str(error))
    return next(name for name in found.groups() if name) if found else f'something else ({_first_line(error)})'


def _first_line(error: Exception) -> str:
    return re.sub(r'\x1b\[\d*m', '', str(error)).strip().split('\n')[0]

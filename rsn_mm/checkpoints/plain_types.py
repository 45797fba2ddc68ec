"""Checkpoints of tensors and plain types alone, which load with ``torch.load(weights_only=True)`` and no allow-list.

MMEngine puts log histories and numpy's arrays and numbers into its training checkpoints. :func:`to_plain` writes them as lists
and tensors at their own places, so that a stock MMPose reads them too, and notes under :data:`RECORD` what they were;
:func:`restore` makes them what they were.
"""
import copy
import enum
from collections import OrderedDict
from pathlib import PurePath
from typing import Any, Dict, List, Tuple

import numpy as np
import torch
from mmengine.logging import HistoryBuffer

RECORD = 'plain_types'
_PLAIN = (type(None), bool, int, float, complex, str, bytes, torch.Tensor, torch.nn.Parameter, torch.Size, torch.dtype,
          torch.device)
# Truth values, integers, floats, complex numbers, text, bytes.
_ARRAY_KINDS = 'biufcUS'

_Entry = Dict[str, Any]
_KeyPath = Tuple[Any, ...]


def to_plain(checkpoint: dict) -> Tuple[dict, List[str]]:
    """Turn all that a checkpoint holds into tensors of the host and plain types.

    Args:
        checkpoint (dict): What ``torch.save`` would get. It is left as it is; tensors of the host are shared.

    Returns:
        tuple: The plain checkpoint, and where there are objects of other types, which stay in it ("a.b: type").
    """
    record: List[_Entry] = []
    foreign: List[str] = []
    plain = dict(_plain(checkpoint, (), record, foreign))
    if record:
        plain[RECORD] = record
    return plain, foreign


def restore(checkpoint: Any) -> Any:
    """Undo :func:`to_plain`, in place where possible.

    Args:
        checkpoint: What was loaded. Anything that :func:`to_plain` did not write comes back as it is.

    Returns:
        The checkpoint with its log histories and arrays.

    Raises:
        ValueError: if the note of what they were does not fit what is there.
    """
    record = checkpoint.pop(RECORD, None) if isinstance(checkpoint, dict) else None
    for entry in record or ():
        try:
            checkpoint = _with_original(checkpoint, entry['path'], entry)
        except LookupError:
            continue  # Taken out since, as MMEngine does for publishing: there is nothing to restore.
        except (TypeError, ValueError) as error:
            raise ValueError(f'The checkpoint is damaged: its entry {entry} of {RECORD!r} does not fit what it holds '
                             f'({error}).') from error
    return checkpoint


def _plain(value: Any, path: _KeyPath, record: List[_Entry], foreign: List[str]) -> Any:
    """A plain form of ``value``, or ``value`` itself where it is plain: a state dict keeps its attributes."""
    if isinstance(value, torch.Tensor) and value.device.type not in ('cpu', 'meta'):
        return value.cpu()
    if type(value) in _PLAIN:
        return value
    if isinstance(value, dict):
        return _plain_dict(value, path, record, foreign)
    if isinstance(value, (list, tuple)):
        items = [_plain(item, (*path, index), record, foreign) for index, item in enumerate(value)]
        if type(value) in (list, tuple) and all(map(_is, items, value)):
            return value
        return items if isinstance(value, list) else tuple(items)
    if isinstance(value, np.ndarray) and value.dtype.kind in _ARRAY_KINDS:
        record.append(dict(path=list(path), type='array', dtype=str(value.dtype), shape=list(value.shape)))
        return value.tolist()
    if isinstance(value, HistoryBuffer):
        record.append(dict(path=list(path), type='history', max_length=value.max_length))
        return dict(zip(('values', 'counts'), map(torch.tensor, value.data)))
    if isinstance(value, np.generic) and value.dtype.kind in _ARRAY_KINDS and type(value.item()) in _PLAIN:
        return value.item()
    if isinstance(value, enum.Enum) and type(value.value) in _PLAIN:
        return value.value
    if isinstance(value, PurePath):
        return str(value)
    if not isinstance(value, (set, bytearray, torch.Tensor)):
        foreign.append(f'{".".join(map(str, path))}: {type(value).__name__}')
    return value


def _plain_dict(value: dict, path: _KeyPath, record: List[_Entry], foreign: List[str]) -> dict:
    keys = [key.item() if isinstance(key, np.generic) else key for key in value]
    items = [_plain(item, (*path, key), record, foreign) for key, item in zip(keys, value.values())]
    if type(value) not in (dict, OrderedDict):
        return dict(zip(keys, items))
    if all(map(_is, items, value.values())) and all(map(_is, keys, value)):
        return value
    plain = copy.copy(value)
    plain.clear()
    plain.update(zip(keys, items))
    return plain


def _with_original(container: Any, path: List[Any], entry: _Entry) -> Any:
    if not path:
        return _original(container, entry)
    key, *rest = path
    item = _with_original(container[key], rest, entry)
    if isinstance(container, tuple):
        return (*container[:key], item, *container[key + 1:])
    container[key] = item
    return container


def _original(plain: Any, entry: _Entry) -> Any:
    if entry['type'] == 'array':
        return np.array(plain, dtype=entry['dtype']).reshape(entry['shape'])
    if entry['type'] == 'history':
        # A checkpoint may have been loaded to another device.
        values, counts = (plain[name].cpu().numpy() for name in ('values', 'counts'))
        return HistoryBuffer(values, counts, entry['max_length'])
    raise ValueError(f'unknown type {entry["type"]!r}')


def _is(one: Any, other: Any) -> bool:
    return one is other

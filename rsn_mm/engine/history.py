"""Log histories that take values from the device and fetch them when they are read."""
from typing import Any, Dict, List, Tuple, Union

import numpy as np
import torch
from mmengine.logging import HistoryBuffer, MessageHub
from torch import Tensor

# A value waits in 512 bytes of device memory. At least every so many of them are fetched, even if nobody reads.
MAX_PENDING = 1000


class DeferredHistory(HistoryBuffer):
    """A ``HistoryBuffer`` that keeps device tensors as they are until somebody reads it.

    Fetching a loss makes the host wait for the device. ``HistoryBuffer`` gets numbers, so MMEngine fetches at every
    iteration; here all values since the last reading are fetched at once. What is read is the same.

    Copies (as in a checkpoint) are plain ``HistoryBuffer`` objects.

    Args:
        history (HistoryBuffer): The values so far.
    """

    def __init__(self, history: HistoryBuffer) -> None:
        self._pending: List[Tuple[Tensor, int]] = []
        self._fetched: Dict[str, np.ndarray] = {}
        values, counts = history.data
        super().__init__(values, counts, history.max_length)

    def update(self, log_val: Union[int, float, Tensor], count: int = 1) -> None:
        """Append a value: a number, or a tensor of one element on any device."""
        if not isinstance(log_val, Tensor):
            super().update(log_val, count)
            return
        self._pending.append((log_val.detach().reshape(()), count))
        if len(self._pending) >= MAX_PENDING:
            self._fetch()

    def _fetch(self) -> None:
        if not self._pending:
            return
        values, counts = zip(*self._pending)
        self._pending = []
        fetched = torch.stack(values).tolist()
        self._log_history = np.append(self._log_history, fetched)[-self.max_length:]
        self._count_history = np.append(self._count_history, counts)[-self.max_length:]

    # The base class reads and writes these two attributes in all its methods.
    @property
    def _log_history(self) -> np.ndarray:
        self._fetch()
        return self._fetched['values']

    @_log_history.setter
    def _log_history(self, values: np.ndarray) -> None:
        self._fetched['values'] = values

    @property
    def _count_history(self) -> np.ndarray:
        self._fetch()
        return self._fetched['counts']

    @_count_history.setter
    def _count_history(self, counts: np.ndarray) -> None:
        self._fetched['counts'] = counts

    def __deepcopy__(self, memo: Dict[int, Any]) -> HistoryBuffer:
        return HistoryBuffer(*(array.copy() for array in self.data), self.max_length)


def record(message_hub: MessageHub, key: str, value: Tensor) -> None:
    """``message_hub.update_scalar(key, value)`` that fetches the value only when the history is read.

    Args:
        message_hub (MessageHub): Where the history is kept.
        key (str): Its name, such as ``'train/loss'``.
        value (Tensor): One element, on any device.
    """
    history = message_hub.log_scalars.get(key)
    if isinstance(history, DeferredHistory):
        history.update(value)
        return
    # The first value of a run: the hub makes the history, or goes on with that of a checkpoint.
    message_hub.update_scalar(key, value)
    message_hub.log_scalars[key] = DeferredHistory(message_hub.get_scalar(key))

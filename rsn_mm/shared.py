"""Numbers that the worker processes of a data loader share, on machines without /dev/shm too."""
import mmap
from multiprocessing.context import get_spawning_popen
from typing import Any, Dict

import numpy as np
import torch


class SharedArray:
    """A numpy array in memory that forked and spawned processes share with this one.

    Forked workers inherit anonymous memory, which needs no /dev/shm. Only when a worker is about to be spawned does the array
    move into PyTorch's shared memory. Any other copy or pickle of it is on its own.

    Args:
        length (int): Number of entries, all 0 at first.
        dtype: Of numpy.

    Attributes:
        array (np.ndarray): (length, ). Do not keep it: it moves.
    """

    def __init__(self, length: int, dtype: Any) -> None:
        memory = mmap.mmap(-1, max(length, 1) * np.dtype(dtype).itemsize)
        self.array = np.frombuffer(memory, dtype, length)

    def __getstate__(self) -> Dict[str, Any]:
        if get_spawning_popen() is None:
            return dict(array=self.array.copy())
        if not hasattr(self, 'tensor'):
            self.tensor = torch.from_numpy(self.array.copy()).share_memory_()
            self.array = self.tensor.numpy()
        return dict(tensor=self.tensor)

    def __setstate__(self, state: Dict[str, Any]) -> None:
        vars(self).update(state)
        if 'tensor' in state:
            self.array = self.tensor.numpy()

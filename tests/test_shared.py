"""Numbers that processes share without /dev/shm."""
import multiprocessing
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pytest
import torch

from rsn_mm.shared import SharedArray


def write(shared: SharedArray) -> None:
    shared.array[1] = 7


def test_forked_processes_see_what_others_write() -> None:
    shared = SharedArray(3, np.int64)
    process = multiprocessing.get_context('fork').Process(target=write, args=(shared, ))
    process.start()
    process.join()
    assert shared.array.tolist() == [0, 7, 0]


def test_spawned_processes_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As their arguments travel, without the seconds that a new interpreter takes."""
    shared = SharedArray(3, np.int64)
    shared.array[0] = 5
    monkeypatch.setattr('rsn_mm.shared.get_spawning_popen', object)
    others = [pickle.loads(ForkingPickler.dumps(shared)) for _ in range(2)]
    write(others[0])
    assert shared.array.tolist() == others[0].array.tolist() == others[1].array.tolist() == [5, 7, 0]


def test_without_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: torch.Tensor) -> torch.Tensor:
        raise RuntimeError('unable to write to file </torch_1>: No space left on device')

    monkeypatch.setattr(torch.Tensor, 'share_memory_', refuse)
    shared = SharedArray(2, np.uint8)
    write(shared)
    copied = pickle.loads(pickle.dumps(shared))
    copied.array[0] = 1
    assert shared.array.tolist() == [0, 7] and copied.array.tolist() == [1, 7]
    assert SharedArray(0, np.uint8).array.tolist() == []

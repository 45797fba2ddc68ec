"""What GpuRuntime uses of torch.cuda, on a CPU: graphs really are recorded and replayed, and nothing else may launch."""
import threading
from contextlib import contextmanager, nullcontext
from typing import Any, Iterator, List, Optional, Set, Tuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Recorder(TorchDispatchMode):
    """Operators in the order in which they were called, with the very tensors that they read and wrote."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: List[Tuple[Any, tuple, dict, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: Optional[dict] = None) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, result))
        return result


class FakeCuda:
    """Takes the place of ``torch.cuda`` in a module.

    log: 'capture', 'replay', 'record' and 'synchronize', as they happen.
    streams: those that graphs were replayed and results waited for on. Each thread has a current one of its own.
    """
    OutOfMemoryError = torch.cuda.OutOfMemoryError

    def __init__(self) -> None:
        self.log: List[str] = []
        self.pools: List[Any] = []
        self.capture_error: Optional[Exception] = None
        self.streams: Set[Any] = set()
        self._capturing = threading.Lock()
        self._current = threading.local()
        cuda = self

        class CUDAGraph:

            def __init__(self) -> None:
                self.recorder = Recorder()

            def replay(self) -> None:
                cuda.log.append('replay')
                cuda.streams.add(cuda.current_stream())
                for func, args, kwargs, result in self.recorder.calls:
                    again = func(*args, **kwargs)
                    for old, new in zip(tree_leaves(result), tree_leaves(again)):
                        if isinstance(old, torch.Tensor) and old.data_ptr() != new.data_ptr():  # no view, nothing in place
                            old.copy_(new)

            def pool(self) -> str:
                return 'the pool'

        class Event:

            def record(self) -> None:
                cuda.log.append('record')
                cuda.streams.add(cuda.current_stream())

            def synchronize(self) -> None:
                cuda.log.append('synchronize')

        class Stream:

            def __init__(self, device: Any = None) -> None:
                self.device = device

            def wait_stream(self, stream: Any) -> None:
                pass

        self.CUDAGraph, self.Event, self.Stream = CUDAGraph, Event, Stream
        self.default_stream = Stream()

    @contextmanager
    def graph(self, graph: Any, pool: Any = None, stream: Any = None, capture_error_mode: str = 'global') -> Iterator[None]:
        assert capture_error_mode == 'thread_local', 'other threads use the GPU, too'
        assert stream is not None, "PyTorch's own stream is of the device that was captured on first"
        assert self._capturing.acquire(blocking=False), 'one capture at a time in a process'
        former = self.current_stream()
        self._current.stream = stream
        try:
            if self.capture_error is not None:
                raise self.capture_error  # and the stream stays, as with PyTorch where capture_end() raises
            self.log.append('capture')
            self.pools.append(pool)
            with graph.recorder:
                yield
            self._current.stream = former
        finally:
            self._capturing.release()

    @contextmanager
    def stream(self, stream: Any) -> Iterator[None]:
        former = self.current_stream()
        self._current.stream = stream
        try:
            yield
        finally:
            self._current.stream = former

    def device(self, device: Any) -> Any:
        return nullcontext()

    def current_stream(self) -> Any:
        if not hasattr(self._current, 'stream'):
            self._current.stream = self.default_stream
        return self._current.stream

    def synchronize(self, device: Any) -> None:
        self.log.append('synchronize all')

    def empty_cache(self) -> None:
        pass

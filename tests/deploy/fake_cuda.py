"""What GpuRuntime uses of torch.cuda, on a CPU: graphs really are recorded and replayed, and nothing else may launch."""
from contextlib import contextmanager, nullcontext
from typing import Any, Iterator, List, Optional, Tuple

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
    launched: operators that ran on their own since it was cleared.
    """
    OutOfMemoryError = torch.cuda.OutOfMemoryError

    def __init__(self) -> None:
        self.log: List[str] = []
        self.pools: List[Any] = []
        self.capture_error: Optional[Exception] = None
        cuda = self

        class CUDAGraph:

            def __init__(self) -> None:
                self.recorder = Recorder()

            def replay(self) -> None:
                cuda.log.append('replay')
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

            def synchronize(self) -> None:
                cuda.log.append('synchronize')

        class Stream:

            def wait_stream(self, stream: Any) -> None:
                pass

        self.CUDAGraph, self.Event, self.Stream = CUDAGraph, Event, Stream

    @contextmanager
    def graph(self, graph: Any, pool: Any = None, capture_error_mode: str = 'global') -> Iterator[None]:
        assert capture_error_mode == 'thread_local', 'other threads use the GPU, too'
        if self.capture_error is not None:
            raise self.capture_error
        self.log.append('capture')
        self.pools.append(pool)
        with graph.recorder:
            yield

    def stream(self, stream: Any) -> Any:
        return nullcontext()

    def device(self, device: Any) -> Any:
        return nullcontext()

    def current_stream(self) -> Any:
        return self.Stream()

    def synchronize(self, device: Any) -> None:
        self.log.append('synchronize all')

    def empty_cache(self) -> None:
        pass

"""Work that runs beside the caller's, in order and never far ahead of it."""
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Deque, Generic, Iterable, Iterator, TypeVar

T = TypeVar('T')
_END: Any = object()


class Prefetch(Generic[T]):
    """Iterate over ``items`` in a thread of its own, at most ``depth`` items ahead of whoever takes them.

    Order is kept. An exception of ``items`` comes out where its item would have come.

    Args:
        items (Iterable): What to iterate over; a generator is closed by :meth:`close`.
        depth (int): Items that may wait, at least 1.
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._items = iter(items)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix='rsn_mm-prefetch')
        self._waiting: Deque[Future] = deque(self._submit() for _ in range(depth))

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        if not self._waiting:
            raise StopIteration
        item = self._waiting[0].result()
        if item is _END:
            self._waiting.clear()
            raise StopIteration
        self._waiting.popleft()
        self._waiting.append(self._submit())
        return item

    @property
    def ready(self) -> bool:
        """Whether an item can be taken without waiting; False at the end, and where an exception comes next."""
        if not self._waiting or not self._waiting[0].done():
            return False
        return self._waiting[0].exception() is None and self._waiting[0].result() is not _END

    def close(self) -> None:
        """Stop the thread after the item that it is at."""
        while self._waiting:
            self._waiting.pop().cancel()
        self._executor.shutdown(wait=True, cancel_futures=True)
        close = getattr(self._items, 'close', None)
        if close is not None:
            close()

    def _submit(self) -> Future:
        return self._executor.submit(next, self._items, _END)


class Deferred:
    """Call a function in a thread of its own, call after call, with at most ``depth`` calls waiting.

    Args:
        function (Callable): What to call.
        depth (int): Calls that may wait; :meth:`__call__` blocks beyond that.
    """

    def __init__(self, function: Callable[..., None], depth: int) -> None:
        self._function = function
        self._depth = depth
        self._executor = ThreadPoolExecutor(1, thread_name_prefix='rsn_mm-deferred')
        self._waiting: Deque[Future] = deque()

    def __call__(self, *args: Any) -> None:
        """Call later; raise what an earlier call raised."""
        self._waiting.append(self._executor.submit(self._function, *args))
        while len(self._waiting) > self._depth or self._waiting and self._waiting[0].done():
            self._waiting.popleft().result()

    def close(self) -> None:
        """Wait for all calls; raise what the first of them raised."""
        self._executor.shutdown(wait=True)
        while self._waiting:
            self._waiting.popleft().result()

"""Work that runs beside the caller's, in order and never far ahead of it."""
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition, Thread
from typing import Any, Callable, Deque, Generator, Generic, Iterable, Iterator, Optional, TypeVar

T = TypeVar('T')
_END: Any = object()
# Seconds that whoever leaves a live source waits for its reader, which a sender that hangs keeps until its time is over.
LEAVING = 1.


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


class Newest(Generic[T]):
    """Iterate over ``items`` in a thread of its own as fast as they come, and give only the newest to whoever takes one.

    An exception of ``items`` comes out after the last item.

    Args:
        items (Iterable): What to iterate over; a generator is closed in that thread.
    """

    def __init__(self, items: Iterable[T]) -> None:
        self._items = iter(items)
        self._changed = Condition()
        self._newest: Any = None
        self._is_new = False
        self._stopped = False
        self._error: Optional[BaseException] = None
        # Not of a pool, whose threads a program waits for at its end.
        self._thread = Thread(target=self._follow, name='rsn_mm-newest', daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T]:
        return self

    def __next__(self) -> T:
        with self._changed:
            self._changed.wait_for(lambda: self._is_new or self._stopped)
            if self._is_new:
                self._is_new = False
                return self._newest
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            raise StopIteration

    def close(self) -> None:
        """Let nobody wait for an item any longer; the thread stops with the next that comes."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(LEAVING)

    def _follow(self) -> None:
        error: Optional[BaseException] = None
        try:
            for item in self._items:
                with self._changed:
                    if self._stopped:
                        break
                    self._newest, self._is_new = item, True
                    self._changed.notify_all()
            if isinstance(self._items, Generator):
                self._items.close()
        except BaseException as raised:  # comes out in the thread that takes items
            error = raised
        finally:
            with self._changed:
                self._stopped, self._error = True, error
                self._changed.notify_all()

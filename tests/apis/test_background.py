"""Work in threads: in order, never far ahead, exceptions where they belong, nothing left running."""
import threading
import time
from typing import Iterator, List

import pytest

from rsn_mm.apis.background import Deferred, Prefetch


def test_prefetch_keeps_order_and_stays_close() -> None:
    made: List[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            made.append(i)
            yield i

    prefetch = Prefetch(items(), depth=3)
    for taken, item in enumerate(prefetch, 1):
        assert item == taken - 1
        assert len(made) <= taken + 3
    assert taken == 100
    prefetch.close()


def test_prefetch_works_in_a_thread_of_its_own() -> None:
    prefetch = Prefetch((threading.get_ident() for _ in range(1)), depth=1)
    assert list(prefetch) != [threading.get_ident()]
    prefetch.close()


def test_prefetch_of_nothing_ends_and_stays_ended() -> None:
    prefetch = Prefetch([], depth=2)
    assert list(prefetch) == [] and not prefetch.ready and next(prefetch, None) is None
    prefetch.close()


def test_ready_tells_whether_the_next_item_is_there() -> None:
    gate = threading.Event()

    def items() -> Iterator[int]:
        gate.wait(10)
        yield 1

    prefetch = Prefetch(items(), depth=1)
    assert not prefetch.ready
    gate.set()
    assert next(prefetch) == 1
    prefetch.close()


def test_exceptions_come_out_in_their_place() -> None:

    def items() -> Iterator[int]:
        yield 1
        raise KeyError('two')

    prefetch = Prefetch(items(), depth=4)
    assert next(prefetch) == 1
    for _ in range(2):
        with pytest.raises(KeyError, match='two'):
            next(prefetch)
        assert not prefetch.ready
    prefetch.close()


def test_closing_ends_the_thread_and_the_generator() -> None:
    ended = []

    def items() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            ended.append(True)

    before = threading.active_count()
    prefetch = Prefetch(items(), depth=2)
    next(prefetch)
    prefetch.close()
    assert ended == [True] and threading.active_count() == before
    assert next(prefetch, None) is None


def test_deferred_calls_keep_order_and_wait_for_room() -> None:
    done: List[int] = []

    def work(i: int) -> None:
        time.sleep(0.001)
        done.append(i)

    deferred = Deferred(work, depth=2)
    for i in range(20):
        deferred(i)
        assert len(done) >= i - 2
    deferred.close()
    assert done == list(range(20))


def test_deferred_exceptions_come_out() -> None:

    def fail() -> None:
        raise OSError('disk full')

    deferred = Deferred(fail, depth=4)
    with pytest.raises(OSError, match='disk full'):
        deferred()
        deferred.close()

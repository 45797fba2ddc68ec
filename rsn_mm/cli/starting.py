"""The first seconds of a command: modules are imported and models made, of which nothing becomes garbage."""
import gc
from contextlib import contextmanager
from typing import Iterator

_allowed = False


def allow() -> None:
    """Say that nobody else needs the garbage collector of this process."""
    global _allowed
    _allowed = True


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Inside, where that is allowed, nobody looks for garbage in half a million new objects, again and again; nor in these
    afterwards, or at the end of the process."""
    if not _allowed:
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

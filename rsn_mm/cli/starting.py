"""The first seconds of a command: modules are imported and models made, of which nothing becomes garbage."""
import gc
from contextlib import contextmanager
from typing import Iterator

from ..compat import is_own_process


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Inside, in a process of our own, nobody looks for garbage in half a million new objects, again and again; nor in these
    afterwards, or at the end of the process."""
    if not is_own_process():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

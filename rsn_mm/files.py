"""Files that are there whole or not at all."""
import os
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union


@contextmanager
def whole_or_not(path: Union[str, Path]) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it to ``path`` when all went well.

    Args:
        path (str | Path): The file to make or to replace, in a folder that exists.

    Yields:
        Path: Where to write. After an exception it is gone, and what stood at ``path`` still stands there.
    """
    path = Path(path)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)

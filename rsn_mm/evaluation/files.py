"""Files that are there whole or not at all."""
import os
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Iterator, Union


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` for writing, and rename it to ``path`` when all went well.

    Args:
        path (str | Path): The file to make or to replace. Its folder is made if missing.

    Yields:
        BinaryIO: The temporary file. After an exception it is gone, and what stood at ``path`` still stands there.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            yield file
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)

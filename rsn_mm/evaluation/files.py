"""Result files: there whole or not at all."""
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Iterator, Union

from ..files import given_path, whole_or_not


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Open a temporary file beside ``path`` for writing, and rename it to ``path`` when all went well.

    Args:
        path (str | Path): The file to make or to replace. Its folder is made if missing.

    Yields:
        BinaryIO: The temporary file. After an exception it is gone, and what stood at ``path`` still stands there.
    """
    path = given_path('path', path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_not(path) as unfinished, open(unfinished, 'wb') as file:
        yield file

"""Files that are there whole or not at all."""
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, Union

_UNFINISHED = re.compile(r'\..+\.(\d+)\.part')


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


def write_whole(path: Union[str, Path], content: bytes) -> None:
    """Write a file that neither a killed process nor a power cut leaves half written.

    Args:
        path (str | Path): The file to make or to replace. Its folder is made if there is none.
        content (bytes): What to write. It is on the disk, not in a buffer of the system, when this returns.

    Raises:
        OSError: with the path, the size needed and the size free. What stood at ``path`` still stands there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_or_not(path) as unfinished, open(unfinished, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(path.parent)
    except OSError as error:
        free = shutil.disk_usage(path.parent).free if path.parent.is_dir() else 0
        raise OSError(error.errno, f'{str(path)!r} cannot be written ({error.strerror}): it needs {_mebibytes(len(content))}, '
                      f'and {_mebibytes(free)} are free in {str(path.parent)!r}. What stood there is unchanged. Make room '
                      'there, or write to another folder') from error


def remove_unfinished(folder: Union[str, Path], name: str = '') -> int:
    """Remove what killed processes left half written by :func:`whole_or_not`.

    Args:
        folder (str | Path): Where to look, not below it. Files of other running processes of this machine stay.
        name (str): Look for this file's halves alone. Defaults to all.

    Returns:
        int: How many files were removed.
    """
    removed = 0
    for path in Path(folder).glob('.*.part'):
        writer = _UNFINISHED.fullmatch(path.name)
        if writer is not None and path.name.startswith(f'.{name}') and not _is_another_process(int(writer[1])):
            path.unlink(missing_ok=True)
            removed += 1
    return removed


def _is_another_process(pid: int) -> bool:
    """Whether a process other than this one has this number. In containers a restarted program often has its old one."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True


def _sync_folder(folder: Path) -> None:
    """Put a renamed file's new name on the disk too, where folders can be opened for that."""
    if os.name != 'posix':
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _mebibytes(size: int) -> str:
    return f'{size / 2 ** 20:.1f} MiB'

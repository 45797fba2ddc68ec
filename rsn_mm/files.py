"""Paths that people give, and files that are there whole or not at all."""
import os
import re
import reprlib
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Iterator, Union

_UNFINISHED = re.compile(r'\..+\.(\d+)\.part')


def given_path(argument: str, value: Any) -> Path:
    """A path that a user gives; ``~`` is their home, unless there is a file of such a name.

    Args:
        argument (str): What the user calls it.
        value: What they gave.

    Raises:
        TypeError: if it is no text and no path.
        ValueError: if no file can have this path: too long, an unknown user's home, links in a circle, no right to look.
    """
    if not isinstance(value, (str, os.PathLike)) or isinstance(os.fspath(value), bytes):
        raise TypeError(f'{argument}={reprlib.repr(value)} is of type {type(value).__name__}. Give a path.')
    try:
        path = Path(value) if os.path.lexists(value) else Path(value).expanduser()
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        raise ValueError(f'{argument}={reprlib.repr(os.fspath(value))} cannot be a path here: {reason.rstrip(".")}. Give '
                         'another one.') from error
    return path


def new_file(argument: str, value: Any) -> Path:
    """A path to write a file to that a user gives, as :func:`given_path`; its folder has to be there.

    Raises:
        FileNotFoundError: if it is not.
    """
    path = given_path(argument, value)
    if not path.parent.is_dir():
        raise FileNotFoundError(f'The folder of {argument}={str(path)!r} does not exist. Make it, or give another one.')
    return path


def check_working_folder() -> None:
    """Refuse to go on where math libraries end the process without a word of use, as they do when they are first loaded.

    Raises:
        FileNotFoundError: if the folder in which the program runs was deleted.
    """
    try:
        os.getcwd()
    except FileNotFoundError as error:
        raise FileNotFoundError('The folder in which the program runs no longer exists. Change into another one.') from error


@contextmanager
def whole_or_not(path: Union[str, Path]) -> Iterator[Path]:
    """Give a name beside ``path`` to write to, and rename it to ``path`` when all went well.

    Args:
        path (str | Path): The file to make or to replace, in a folder that exists.

    Yields:
        Path: Where to write. After an exception it is gone, and what stood at ``path`` still stands there.
    """
    path = given_path('path', path)
    unfinished = path.with_name(f'.{path.name}.{os.getpid()}.part')
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def replacing(path: Union[str, Path]) -> Iterator[BinaryIO]:
    """Open a file beside ``path`` for writing, and rename it to ``path`` when all went well, as :func:`whole_or_not` does.

    Args:
        path (str | Path): The file to make or to replace. Its folder is made if there is none.

    Yields:
        BinaryIO: The unfinished file.
    """
    path = given_path('path', path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_not(path) as unfinished, open(unfinished, 'wb') as file:
        yield file


def write_whole(path: Union[str, Path], content: bytes) -> None:
    """Write a file that neither a killed process nor a power cut leaves half written.

    Args:
        path (str | Path): The file to make or to replace. Its folder is made if there is none.
        content (bytes): What to write. It is on the disk, not in a buffer of the system, when this returns.

    Raises:
        OSError: with the path, the size needed and the size free. What stood at ``path`` still stands there.
    """
    path = given_path('path', path)
    try:
        with replacing(path) as file:
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

"""Files from the network, kept where PyTorch keeps its own: whole or not there, and checked against the hash in their names."""
import errno
import hashlib
import os
import re
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Iterator, Optional, Union
from urllib.parse import unquote, urlsplit

from .files import remove_unfinished, whole_or_not

if TYPE_CHECKING:
    from filelock import FileLock

OPENMMLAB = 'https://download.openmmlab.com'
# An address that holds what OPENMMLAB holds, under the same paths.
MIRROR = 'RSN_MM_MIRROR'
# Seconds without a byte after which a server is given up.
TIMEOUT = 30.
CHUNK = 2**18
# Seconds between two states of the bar: on a screen, and where each is kept, as in a log.
SCREEN, FILE = 0.1, 5.
# OpenMMLab's names carry the first 8 digits of the file's SHA-256, and mostly the day: ...-c35901d5_20221013.pth. A day alone
# is no hash.
_DIGITS = re.compile(r'[-_](?!20\d{6}\.)([0-9a-f]{8})(?:[-_]\d{8})?\.\w+$')
# Digits in a name whose file has another hash in the only public listing of it (Hugging Face's, of the copy in
# facebook/sapiens-pose-bbox-detector; RTMDet-m for people). Which of them OpenMMLab serves could not be tried: both are right.
_ALSO_RIGHT = {'235e8209': 'b66b27072c6a3cd4f093882df440921987076131fb78a7df7b1cf92d67f41509'}


class DownloadError(OSError):
    """A file cannot be had; the text says from where, why, and where to put it by hand."""


def is_address(text: str) -> bool:
    """Whether a text is an address to download from, not a path."""
    return text.startswith(('http://', 'https://'))


def checkpoint_folder() -> Path:
    """Where PyTorch keeps checkpoints that it downloads: ``TORCH_HOME`` or ``~/.cache/torch``, and ``hub/checkpoints``."""
    torch = sys.modules.get('torch')
    if torch is not None:
        return Path(torch.hub.get_dir()) / 'checkpoints'
    cache = os.environ.get('XDG_CACHE_HOME', '~/.cache')
    return Path(os.environ.get('TORCH_HOME', os.path.join(cache, 'torch'))).expanduser() / 'hub' / 'checkpoints'


def place_of(url: str, folder: Union[str, Path, None] = None) -> Path:
    """The file that :func:`fetch` makes of an address."""
    name = Path(unquote(urlsplit(url).path)).name
    if not name:
        raise ValueError(f'{url!r} names no file. Give the address of a checkpoint.')
    return Path(folder or checkpoint_folder()) / name


def hash_digits(name: str) -> Optional[str]:
    """First digits of the SHA-256 that a file of this name must have; None where the name says nothing."""
    found = _DIGITS.search(name)
    return found[1] if found else None


def fetch(url: str, folder: Union[str, Path, None] = None, progress: bool = True) -> Path:
    """Download a file unless it is there already.

    It is written beside its place and moved there when it is whole and its hash is right, so neither a killed process nor
    a broken transfer leaves a part of it; of several processes one downloads and the others wait for it. A file that is
    there is taken as it is.

    Args:
        url (str): ``http://`` or ``https://``. With ``RSN_MM_MIRROR=https://...`` that address is asked in the place of
            ``https://download.openmmlab.com``.
        folder (str | Path, optional): Where to keep it. Defaults to :func:`checkpoint_folder`.
        progress (bool): Show a bar on stderr. Defaults to True.

    Returns:
        Path: The file.

    Raises:
        DownloadError: naming the address, the reason, and the folder and name under which to put the file by hand; or the
            folder, if it cannot be kept there.
    """
    target = place_of(url, folder)
    if target.is_file():
        return target
    from http.client import HTTPException  # what a download needs takes a while to import

    from filelock import FileLock
    address = _mirrored(url)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(target.with_name(f'.{target.name}.lock'))
        with _taken(lock, target.name, progress):
            if not target.is_file():
                remove_unfinished(target.parent, target.name)
                _download(address, target, progress)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: no valid address
        if _is_of_the_disk(error):
            raise DownloadError(f'{target.name} cannot be kept in {str(target.parent)!r}: {_reason(error)}. Name a folder that '
                                'can be written to, with room for it, by TORCH_HOME.') from error
        raise DownloadError(
            f'{target.name} cannot be downloaded from {address}: {_reason(error)}. Download it elsewhere and put it into '
            f'{str(target.parent)!r} under the name {target.name!r}, or name a mirror of {OPENMMLAB} by {MIRROR}.') from error
    return target


@contextmanager
def _taken(lock: 'FileLock', name: str, progress: bool) -> Iterator[None]:
    """Hold a lock; whoever watches is told what is waited for."""
    from filelock import Timeout
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if progress:
            print(f'{name}: another process is downloading it', file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _mirrored(url: str) -> str:
    mirror = os.environ.get(MIRROR, '').rstrip('/')
    return mirror + url[len(OPENMMLAB):] if mirror and url.startswith(f'{OPENMMLAB}/') else url


def _download(address: str, target: Path, progress: bool) -> None:
    from urllib.request import Request, urlopen

    from tqdm import tqdm
    request = Request(address, headers={'User-Agent': 'rsn_mm'})
    digest, received = hashlib.sha256(), 0
    with urlopen(request, timeout=TIMEOUT) as answer, whole_or_not(target) as unfinished, open(unfinished, 'wb') as file:
        length = answer.headers.get('Content-Length')
        size = int(length) if length is not None and length.isdecimal() else None
        with tqdm(total=size, desc=target.name, unit='B', unit_scale=True, unit_divisor=1024, disable=not progress,
                  mininterval=SCREEN if sys.stderr.isatty() else FILE) as bar:
            while chunk := answer.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                received += len(chunk)
                bar.update(len(chunk))
        if size is not None and received != size:
            raise OSError(f'the transfer broke off after {received} of {size} bytes')
        _check(target.name, digest.hexdigest())
        file.flush()
        os.fsync(file.fileno())


def _check(name: str, sha256: str) -> None:
    digits = hash_digits(name)
    if digits is not None and not sha256.startswith(digits) and sha256 != _ALSO_RIGHT.get(digits):
        raise OSError(f'its SHA-256 begins with {sha256[:8]}, its name says {digits}, so it is another file or was changed on '
                      'the way')


def _is_of_the_disk(error: Exception) -> bool:
    from urllib.error import URLError
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and not isinstance(error, URLError) and (
        error.filename is not None or error.errno in full)


def _reason(error: Exception) -> str:
    from urllib.error import HTTPError, URLError
    if isinstance(error, HTTPError):
        return f'the server answers {error.code} {error.reason}'
    if isinstance(error, URLError):
        error = error.reason if isinstance(error.reason, Exception) else error
    if isinstance(error, TimeoutError):
        return f'the server sends nothing for {TIMEOUT:g} s'
    return str(getattr(error, 'strerror', None) or error or type(error).__name__).rstrip('.')

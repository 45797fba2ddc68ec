"""Pictures and frames from whatever people have: files, folders, patterns, URLs, videos, cameras, arrays."""
import glob
import os
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Set, Union
from urllib.parse import unquote, urlsplit

import cv2
import numpy as np

from ..files import given_path
from ..pictures import UnusableInput, as_bgr
from ..pictures.decoding import open_with_pillow, read_file
from ..pictures.frames import count_frames, decode_frames
from ..pictures.headers import BrokenHeader, read_header
from .frames import Frame, Source
from .live import Camera, Played, Stream
from .results import Skipped
from .urls import Url
from .videos import VideoFile, is_video

Input = Union[str, Path, int, np.ndarray, Played]
Inputs = Union[Input, Sequence[Input]]

# Files with these suffixes are expected to be read: content that is none of it is their fault, said when it is their turn.
PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.jfif', '.png', '.apng', '.bmp', '.tif', '.tiff', '.webp', '.jp2', '.gif', '.avif',
                    '.heic', '.heif', '.tga', '.ico', '.pbm', '.pgm', '.ppm', '.pnm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv', '.flv', '.ts', '.mts', '.m2ts',
                  '.3gp', '.ogv', '.mxf')
# Bytes of a file that tell most pictures.
HEAD = 4096
# What systems put into people's folders, in lower case: nobody takes it for an input. Other such things are hidden.
SYSTEM_FILES = ('thumbs.db', 'ehthumbs.db', 'desktop.ini', 'icon\r', '__macosx', '@eadir', '$recycle.bin',
                'system volume information', 'lost+found')
# How the hidden files begin that macOS puts beside others where a file system knows no resource forks: ._photo.jpg.
APPLE_DOUBLE = b'\0\5\x16\7'
SHOWN = 3  # names in a message


class PictureFile:
    """A picture, an animation or pages in a file."""
    live = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)

    @property
    def num_frames(self) -> Optional[int]:
        try:
            return count_frames(self.name)
        except UnusableInput:
            return 1

    def frames(self) -> Iterator[Frame]:
        for index, frame in enumerate(decode_frames(read_file(self.name))):
            yield Frame(self.name, index, *frame)


class Array:
    """A picture in memory."""
    num_frames: Optional[int] = 1
    live = False

    def __init__(self, image: np.ndarray, number: int) -> None:
        self.name = f'array {number}'
        self._image = image

    def frames(self) -> Iterator[Frame]:
        yield Frame(self.name, 0, as_bgr(self._image))


def find_sources(inputs: Inputs, skipped: List[Skipped]) -> List[Source]:
    """What ``inputs`` stand for, in order; files of a folder or pattern by name, told by their content.

    A folder gives its files, not those of folders in it, and no hidden ones. Whatever is left out is said: what is neither a
    picture nor a video, folders, and hidden pictures and videos, with the pattern that reads them. Not worth a word are other
    hidden files and folders (``.DS_Store``, ``._photo.jpg``, ``.git``) and ``SYSTEM_FILES`` such as ``Thumbs.db``.

    Args:
        inputs: A path, folder, pattern, URL, camera number or array, or a list of these.
        skipped (list[Skipped]): Inputs of a list that stand for nothing are added here, and what is not read of a folder.

    Raises:
        FileNotFoundError, ValueError, TypeError: if nothing at all is left.
    """
    if not isinstance(inputs, (list, tuple)):
        return _find(inputs, 0, skipped)
    if not inputs:
        raise ValueError('The list of inputs is empty. Give paths, folders, patterns, camera numbers or arrays.')
    sources: List[Source] = []
    problem: Optional[Exception] = None
    for number, one in enumerate(inputs):
        try:
            sources += _find(one, number, skipped)
        except (FileNotFoundError, ValueError, TypeError) as error:
            problem = error
            name = f'input {number}' if isinstance(one, np.ndarray) else str(one)
            sources.append(Missing(name, str(error)))
    if problem is not None and all(isinstance(source, Missing) for source in sources):
        raise problem
    return sources


class Missing:
    """An input that stands for nothing; it keeps its number among the others."""
    num_frames: Optional[int] = 1
    live = False

    def __init__(self, name: str, reason: str) -> None:
        self.name = name
        self._reason = reason

    def frames(self) -> Iterator[Frame]:
        raise UnusableInput(self._reason)


def _find(one: Inputs, number: int, skipped: List[Skipped]) -> List[Source]:
    if isinstance(one, np.ndarray):
        return [Array(one, number)]
    if isinstance(one, Played):
        return [one]
    if isinstance(one, (int, np.integer)) and not isinstance(one, bool):
        return [Camera(int(one))]
    if not isinstance(one, (str, os.PathLike)):
        raise TypeError(f'An input is a {type(one).__name__}. Give a path, folder, pattern, camera number or array '
                        '(H, W, 3) uint8 BGR, or a list of these.')
    text = os.fspath(one)
    if not text:
        raise ValueError('An input is an empty text. Give "." for the folder that the program runs in.')
    scheme = text.partition('://')[0].lower() if '://' in text else None
    if scheme in ('http', 'https'):
        return [Url(text)]
    if scheme not in (None, 'file'):
        return [Stream(text)]
    if scheme:
        text = _of_file_url(text)
    path = given_path('input', text)
    if path.is_file():
        return [_file(path) or PictureFile(path)]
    if path.is_dir():
        return _of_folder(path, f'The folder {text!r}', skipped)
    if glob.has_magic(text):
        matches = _matches(str(path))
        if not matches:
            raise FileNotFoundError(f'No file matches the pattern {text!r}.')
        return _readable(matches, f'The pattern {text!r}', skipped)
    what = 'is neither a file nor a folder' if path.exists() else 'does not exist'
    raise FileNotFoundError(f'{text!r} {what}. Give a picture, a video, a folder, a pattern such as "*.jpg", or a '
                            'camera number.')


def _of_file_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.netloc not in ('', 'localhost') or not parts.path:
        raise ValueError(f'{url!r} names no file of this machine. Give its path, or file:// and the path from the root: three '
                         'slashes.')
    return unquote(parts.path)


def _of_folder(folder: Path, where: str, skipped: List[Skipped]) -> List[Source]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise ValueError(f'{where} cannot be read: {error.strerror or error}.') from error
    hidden = [entry.name for entry in entries if entry.name.startswith('.') and _holds_a_hidden_picture(entry)]
    left = [Skipped(str(folder / '.*'), f'hidden pictures and videos of a folder are not read, here {len(hidden)}: '
                    f'{", ".join(hidden[:SHOWN])}{", ..." * (len(hidden) > SHOWN)}. Give them by this pattern, or by name')]
    return _readable([entry for entry in entries if not entry.name.startswith('.')], where, skipped, left[:len(hidden)])


def _holds_a_hidden_picture(path: Path) -> bool:
    return path.is_file() and _head(path)[:4] != APPLE_DOUBLE and _file(path) is not None


def _matches(pattern: str) -> List[Path]:
    """What a pattern names, sorted: each file once, however many links lead to its folder. With ``**`` the folders are those to
    look in."""
    found = sorted((Path(match) for match in _expand(pattern)), key=lambda path: (len(path.parts), path))
    kept = {os.path.join(os.path.realpath(path.parent), path.name): path for path in reversed(found)
            if '**' not in pattern or not path.is_dir()}
    return sorted(kept.values())


def _expand(pattern: str) -> Iterator[str]:
    """``glob.glob`` with ``**``, but each folder is entered once: links that lead in a circle would never end."""
    parts = Path(pattern).parts
    if '**' not in parts:
        yield from glob.glob(pattern)
        return
    depth = parts.index('**')
    entered: Set[str] = set()
    for top in glob.glob(os.path.join(*parts[:depth])) if depth else ['.']:
        for folder, below, _ in os.walk(top, followlinks=True):
            real = os.path.realpath(folder)
            if real in entered:
                below.clear()
                continue
            entered.add(real)
            links = {name: os.path.islink(os.path.join(folder, name)) for name in below if not name.startswith('.')}
            below[:] = sorted(links, key=links.__getitem__)
            yield from _expand(os.path.join(glob.escape(folder), *(parts[depth + 1:] or ('*', ))))


def _readable(paths: Sequence[Path], where: str, skipped: List[Skipped], hidden: Sequence[Skipped] = ()) -> List[Source]:
    """Sources of the files that are pictures or videos; the others are added to ``skipped``, as what is ``hidden``."""
    found: List[Source] = []
    left: List[Skipped] = []
    for path in paths:
        if path.name.lower() in SYSTEM_FILES:
            continue
        source = _file(path) if path.is_file() else None
        if source is not None:
            found.append(source)
        else:
            left.append(Skipped(str(path), 'it is a folder: give it too, or a pattern such as "**/*.jpg"' if path.is_dir() else
                                'it is neither a picture nor a video'))
    left += hidden
    if not found:
        others = f', but {len(left)} others; of the first, {left[0].source!r}, {left[0].reason}' if left else ''
        raise ValueError(f'{where} holds no picture and no video{others}. They are told by their content.')
    skipped += left
    return found


def _file(path: Path) -> Optional[Source]:
    """What a file holds; None if that is neither a picture nor a video, nor called so."""
    suffix = path.suffix.lower()
    if _is_picture(path):
        return PictureFile(path)
    if is_video(str(path)) or suffix in VIDEO_SUFFIXES:
        return VideoFile(str(path))
    return PictureFile(path) if suffix in PICTURE_SUFFIXES or _is_rare_picture(path) else None


def _is_picture(path: Path) -> bool:
    """Whether a file begins as pictures do."""
    head = _head(path)
    if not head:
        return False
    try:
        if read_header(head) is not None:
            return True
    except BrokenHeader:
        return True  # of a known format; what is broken is said when it is read, and the rest may come behind the head
    return head[4:8] == b'ftyp' and head[8:11] in (b'avi', b'hei', b'mif') or (
        not _is_ambiguous(head) and (cv2.haveImageReader(str(path)) or _is_rare_picture(path)))


def _head(path: Path) -> bytes:
    """The first bytes of a file; none if it cannot be read."""
    try:
        with open(path, 'rb') as file:
            return file.read(HEAD)
    except OSError:
        return b''


def _is_ambiguous(head: bytes) -> bool:
    """Whether Pillow might take a video's first bytes for a TGA picture, which has no signature."""
    return head[:3] == b'\0\0\x01' and head[3:4] >= b'\xb0'


def _is_rare_picture(path: Path) -> bool:
    try:
        image = open_with_pillow(path)
    except UnusableInput:
        return False
    if image is None:
        return False
    image.close()
    return True

"""Pictures and frames from whatever people have: files, folders, patterns, videos, cameras, arrays."""
import glob
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Optional, Sequence, Union

import cv2
import numpy as np

from ..jpeg import is_cut_short
from .headers import BrokenHeader, read_header
from .results import Skipped

Input = Union[str, Path, int, np.ndarray]
Inputs = Union[Input, Sequence[Input]]

PICTURE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.jp2', '.pgm', '.ppm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
# Containers estimate the number of their frames; one frame less is no sign of a cut.
FRAME_COUNT_SLACK = 1


class UnusableInput(ValueError):
    """A picture or video cannot be used; the others can."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture: where it comes from, its number there, and (H, W, 3) uint8 BGR. ``fps`` is None for a single picture."""
    source: str
    index: int
    image: np.ndarray
    fps: Optional[float] = None


class Picture:
    """A picture in a file."""
    num_frames: Optional[int] = 1
    live = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)

    def frames(self) -> Iterator[Frame]:
        yield Frame(self.name, 0, read_picture(self.name))


class Array:
    """A picture in memory."""
    num_frames: Optional[int] = 1
    live = False

    def __init__(self, image: np.ndarray, number: int) -> None:
        self.name = f'array {number}'
        self._image = image

    def frames(self) -> Iterator[Frame]:
        yield Frame(self.name, 0, as_bgr(self._image))


class Video:
    """A video in a file, a stream with a URL, or a camera (its number)."""

    def __init__(self, where: Union[str, int]) -> None:
        self.live = isinstance(where, int) or '://' in where
        self.name = f'camera {where}' if isinstance(where, int) else where
        self._where = where

    @property
    def num_frames(self) -> Optional[int]:
        if self.live:
            return None
        capture = cv2.VideoCapture(self._where)
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        capture.release()
        return count if count > 0 else None

    def frames(self) -> Iterator[Frame]:
        capture = cv2.VideoCapture(self._where)
        try:
            if not capture.isOpened():
                raise UnusableInput('it cannot be opened as a video. Is it whole, and does this OpenCV know its codec?'
                                    if not self.live else 'it cannot be opened')
            fps = capture.get(cv2.CAP_PROP_FPS) or 30.
            expected = 0 if self.live else int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
            index = 0
            while True:
                got, image = capture.read()
                if not got:
                    break
                yield Frame(self.name, index, as_bgr(image), fps)
                index += 1
            if index == 0 or index < expected - FRAME_COUNT_SLACK:
                raise UnusableInput(f'it ends after {index} of {expected} frames')
        finally:
            capture.release()


Source = Union[Picture, Array, Video]


def find_sources(inputs: Inputs, skipped: List[Skipped]) -> List[Source]:
    """What ``inputs`` stand for, in order; files of a folder or pattern by name.

    Args:
        inputs: A path, folder, pattern, URL, camera number or array, or a list of these.
        skipped (list[Skipped]): Inputs of a list that stand for nothing are added here.

    Raises:
        FileNotFoundError, ValueError, TypeError: if nothing at all is left.
    """
    if not isinstance(inputs, (list, tuple)):
        return _find(inputs, 0)
    if not inputs:
        raise ValueError('The list of inputs is empty. Give paths, folders, patterns, camera numbers or arrays.')
    sources: List[Source] = []
    problem: Optional[Exception] = None
    for number, one in enumerate(inputs):
        try:
            sources += _find(one, number)
        except (FileNotFoundError, ValueError, TypeError) as error:
            problem = error
            skipped.append(Skipped(f'input {number}' if isinstance(one, np.ndarray) else str(one), str(error)))
    if not sources and problem is not None:
        raise problem
    return sources


def read_frames(sources: Sequence[Source], skipped: List[Skipped]) -> Iterator[Frame]:
    """Frames of all sources; what cannot be used is added to ``skipped``."""
    for source in sources:
        try:
            yield from source.frames()
        except UnusableInput as error:
            skipped.append(Skipped(source.name, str(error)))


def read_picture(path: str) -> np.ndarray:
    """Read a picture of any kind that OpenCV knows, turned as its EXIF data says.

    Returns:
        np.ndarray: (H, W, 3) uint8 BGR. Grey becomes three channels, transparency is dropped, 16 bits become 8.

    Raises:
        UnusableInput: if the file is missing, empty, cut short or no picture.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnusableInput(f'it cannot be read: {error.strerror or error}') from error
    return decode_picture(data)


def decode_picture(data: bytes) -> np.ndarray:
    """Decode a picture of any kind that OpenCV knows, turned as its EXIF data says.

    Args:
        data (bytes): A whole file.

    Returns:
        np.ndarray: As :func:`read_picture`.

    Raises:
        UnusableInput: if it is empty, cut short or no picture.
    """
    if not data:
        raise UnusableInput('the file is empty')
    try:
        read_header(data)  # OpenCV 5 makes room for what a header announces before it looks whether it is there
    except BrokenHeader as error:
        raise UnusableInput(str(error)) from error
    if is_cut_short(data):
        raise UnusableInput('the file is cut short')
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnusableInput(f'OpenCV cannot decode it: {error}') from error
    if image is None:
        raise UnusableInput('it is not a picture that OpenCV can decode')
    return image


def as_bgr(image: np.ndarray) -> np.ndarray:
    """Any picture in memory as (H, W, 3) uint8 BGR.

    Args:
        image (np.ndarray): uint8 or uint16, (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA.

    Raises:
        UnusableInput: if it is anything else, or has no pixels.
    """
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)  # as OpenCV reads 16-bit files
    if image.dtype != np.uint8:
        raise UnusableInput(f'the array has dtype {image.dtype}. Give uint8 (0 to 255) or uint16')
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or image.ndim == 3 and image.shape[2] not in (3, 4) or 0 in image.shape:
        raise UnusableInput(f'the array has shape {image.shape}. Give one picture: (H, W), (H, W, 3) in BGR or (H, W, 4)')
    if image.ndim == 2:
        return cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(image[..., :3])


def _find(one: Inputs, number: int) -> List[Source]:
    if isinstance(one, np.ndarray):
        return [Array(one, number)]
    if isinstance(one, (int, np.integer)) and not isinstance(one, bool):
        return [Video(int(one))]
    if not isinstance(one, (str, os.PathLike)):
        raise TypeError(f'An input is a {type(one).__name__}. Give a path, folder, pattern, camera number or array '
                        '(H, W, 3) uint8 BGR, or a list of these.')
    text = os.fspath(one)
    if '://' in text:
        return [Video(text)]
    path = Path(text).expanduser()
    if path.is_file():
        return [_file(path)]
    if path.is_dir():
        found = [entry for entry in sorted(path.iterdir())
                 if entry.suffix.lower() in PICTURE_SUFFIXES + VIDEO_SUFFIXES and entry.is_file()]
        if not found:
            raise ValueError(f'The folder {text!r} holds no picture and no video (looked for '
                             f'{" ".join(PICTURE_SUFFIXES + VIDEO_SUFFIXES)}).')
        return [_file(entry) for entry in found]
    if glob.has_magic(text):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True) if os.path.isfile(match))
        if not matches:
            raise FileNotFoundError(f'No file matches the pattern {text!r}.')
        return [_file(match) for match in matches]
    raise FileNotFoundError(f'{text!r} does not exist. Give a picture, a video, a folder, a pattern such as "*.jpg", or a '
                            'camera number.')


def _file(path: Path) -> Source:
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES or suffix not in VIDEO_SUFFIXES and cv2.haveImageReader(str(path)):
        return Picture(path)
    return Video(str(path))

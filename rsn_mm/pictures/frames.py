"""Files that hold more than one picture: animations with the time of each frame, and pages."""
from pathlib import Path
from typing import Iterator, NamedTuple, Optional, Union

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from .decoding import UnusableInput, bgr_of_pillow, check_header, decode_picture, open_with_pillow

# Where a frame is given no time, or less than any screen shows, players show it for a tenth of a second.
SHORTEST, INSTEAD = 0.02, 0.1
# Formats of Pillow whose further pictures are frames or pages; of others they are layers, sizes, or a camera's depth map.
_ANIMATIONS = ('APNG', 'AVIF', 'FLI', 'GIF', 'PNG', 'WEBP')
_PAGES = ('DCX', 'HEIF', 'TIFF')
_REDUCED = 1  # TIFF's NewSubfileType of a thumbnail
_NEW_SUBFILE_TYPE = 254


class DecodedFrame(NamedTuple):
    """(H, W, 3) uint8 BGR; when it is shown and for how long, in s; both None for still pictures and pages."""
    image: np.ndarray
    time: Optional[float] = None
    duration: Optional[float] = None


def decode_frames(data: bytes) -> Iterator[DecodedFrame]:
    """All frames of an animated GIF, WebP, PNG or AVIF with their times, all pages of a TIFF, or one picture.

    Args:
        data (bytes): A whole file; see :func:`decode_picture`.

    Raises:
        UnusableInput: where a frame is broken; those before it have come.
    """
    header = check_header(data)
    image = None if header is not None and not header.animated else _of_several(data)
    if image is None:
        yield DecodedFrame(decode_picture(data))
        return
    with image:
        yield from _pages(image) if image.format in _PAGES else _animation(image)


def count_frames(source: Union[bytes, str, Path]) -> int:
    """How many frames :func:`decode_frames` gives of a file (its content or path), undecoded; 1 if that cannot be told."""
    try:
        image = _of_several(source)
    except UnusableInput:
        return 1
    if image is None:
        return 1
    with image:
        return _length(image) - bool(image.info.get('default_image'))


def _of_several(source: Union[bytes, str, Path]) -> Optional[Image.Image]:
    """An opened file of several frames or pages, by its content or path; None if it is one picture."""
    image = open_with_pillow(source)
    if image is None:
        return None
    try:
        several = image.format in _ANIMATIONS + _PAGES and _length(image) > 1
    except Exception as error:  # counting goes through a file that may be broken
        image.close()
        raise UnusableInput(f'its frames cannot be counted: {error}') from error
    if several:
        return image
    image.close()
    return None


def _length(image: Image.Image) -> int:
    """Frames or pages of an opened file; images of formats that hold one picture do not know."""
    return getattr(image, 'n_frames', 1)


def _animation(image: Image.Image) -> Iterator[DecodedFrame]:
    # A PNG's picture for programs that know no animation is no part of it.
    numbers = range(bool(image.info.get('default_image')), _length(image))
    time = 0.
    for number in numbers:
        frame = _frame(image, number)
        duration = float(image.info.get('duration') or 0) / 1000
        if duration == 0 or image.format == 'GIF' and duration < SHORTEST:
            duration = INSTEAD
        yield DecodedFrame(frame, time, duration)
        time += duration


def _pages(image: Image.Image) -> Iterator[DecodedFrame]:
    for number in range(_length(image)):
        page = _frame(image, number)
        if number and isinstance(image, TiffImageFile) and image.tag_v2.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED:
            continue
        yield DecodedFrame(page)


def _frame(image: Image.Image, number: int) -> np.ndarray:
    try:
        image.seek(number)
        return bgr_of_pillow(image)
    except Exception as error:
        raise UnusableInput(f'it ends after {number} of {_length(image)} frames: {error}') from error

"""A picture's file as pixels: BGR of 8 bits, upright.

OpenCV decodes what it decodes rightly and MMPose trains on (JPEG, PNG, WebP, BMP, JPEG 2000, ...). Pillow decodes the rest:
what OpenCV does not know in each of its versions (GIF, AVIF, TGA, ICO, ...), does not scale to 8 bits (Netpbm), multiplies by
its transparency (TIFF), or gives up where no pixel is missing (PNG without its end).
"""
import io
from functools import cache
from pathlib import Path
from typing import Optional, Union

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .headers import BrokenHeader, Header, read_header
from .jpeg import is_cut_short

# Pillow's formats that are pictures, without documents that it gives to other programs (EPS, PDF, WMF).
PILLOW_FORMATS = ('AVIF', 'BLP', 'BMP', 'CUR', 'DCX', 'DDS', 'DIB', 'FLI', 'GIF', 'HEIF', 'ICNS', 'ICO', 'IM', 'JPEG',
                  'JPEG2000', 'MPO', 'MSP', 'PCX', 'PNG', 'PPM', 'PSD', 'QOI', 'SGI', 'SUN', 'TGA', 'TIFF', 'WEBP', 'XBM',
                  'XPM')
# What OpenCV decodes wrongly or only in some of its versions.
_LEFT_TO_PILLOW = ('AVIF', 'GIF', 'HEIF', 'PPM')
_FLOATS = 'it holds numbers of 32 bits, and nothing says which of them is white. Save it with 8 or 16 bits'


class UnusableInput(ValueError):
    """A picture or video cannot be used; the others can."""


class CutShort(UnusableInput):
    """A picture lacks pixels at its end."""

    def __init__(self) -> None:
        super().__init__('the file is cut short')


class NoPicture(UnusableInput):
    """A file holds something else."""


def read_picture(path: Union[str, Path]) -> np.ndarray:
    """Read a picture from a file; see :func:`decode_picture`.

    Raises:
        UnusableInput: if the file is missing, empty, cut short or no picture.
    """
    return decode_picture(read_file(path))


def read_file(path: Union[str, Path]) -> bytes:
    """All of a file.

    Raises:
        UnusableInput: if it cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnusableInput(f'it cannot be read: {error.strerror or error}') from error


def decode_picture(data: bytes) -> np.ndarray:
    """Decode a picture, told by its content, and turn it as its EXIF data says. Of several frames or pages, the first.

    Args:
        data (bytes): A whole file.

    Returns:
        np.ndarray: (H, W, 3) uint8 BGR. Grey becomes three channels, transparency is dropped, 16 bits become 8.

    Raises:
        UnusableInput: if it is empty, lacks pixels, holds floating-point numbers, or is no picture.
    """
    header = check_header(data)
    if _is_for_pillow(data, header):
        try:
            return _by_pillow(data)
        except UnusableInput as error:
            if header is not None:  # some part of it is missing: that is why Pillow was asked
                raise CutShort from error
            raise
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise UnusableInput(f'OpenCV cannot decode it: {error}') from error
    if image is None or image.ndim != 3:
        return _by_pillow(data)
    return image


def check_header(data: bytes) -> Optional[Header]:
    """The header of a picture that may be decoded; None if its format is none that :func:`read_header` knows.

    Raises:
        UnusableInput: if it is empty, or lacks pixels.
    """
    if not data:
        raise UnusableInput('the file is empty')
    try:
        header = read_header(data)  # OpenCV 5 makes room for what a header announces before it looks whether it is there
    except BrokenHeader as error:
        raise (CutShort() if 'cut short' in str(error) else UnusableInput(str(error))) from error
    if is_cut_short(data):
        raise CutShort
    return header


def open_with_pillow(source: Union[bytes, str, Path]) -> Optional[Image.Image]:
    """A picture that Pillow knows, by its content or path, not decoded yet; None if it knows none such."""
    for learn in (Image.preinit, _learn_formats):  # the usual ones take no time to import
        learn()
        try:
            return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source,
                              formats=[name for name in PILLOW_FORMATS if name in Image.OPEN])
        except UnidentifiedImageError:
            continue
        except Image.DecompressionBombError as error:
            raise UnusableInput(f'it has too many pixels: {error}') from error
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise _of_pillow(error) from error
    return None


def bgr_of_pillow(image: Image.Image) -> np.ndarray:
    """The frame that an opened file stands at, as :func:`decode_picture` gives it.

    Raises:
        UnusableInput: if its data are broken or end early.
    """
    try:
        image.load()
        upright = ImageOps.exif_transpose(image)
        if upright.mode == 'F' or upright.mode == 'I' and image.format != 'PPM' and image.format != 'PNG':
            raise UnusableInput(_FLOATS)
        if upright.mode.startswith('I'):  # 16 bits, which Pillow would clip
            return as_bgr(np.asarray(upright).astype(np.uint16))
        return np.ascontiguousarray(np.asarray(upright.convert('RGB'))[..., ::-1])
    except UnusableInput:
        raise
    except Exception as error:  # Pillow's readers of rare formats throw anything from IndexError to struct.error
        raise _of_pillow(error) from error


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


def _is_for_pillow(data: bytes, header: Optional[Header]) -> bool:
    if header is not None:
        return not header.whole
    if data[:2] in (b'Pf', b'PF') and data[2:3].isspace():
        raise UnusableInput(_FLOATS)
    image = open_with_pillow(data)
    if image is None:
        return False
    with image:
        if image.format == 'TIFF':
            return not image.mode.startswith('I;16') and image.mode != 'RGB'
        return image.format in _LEFT_TO_PILLOW


def _by_pillow(data: bytes) -> np.ndarray:
    image = open_with_pillow(data)
    if image is None:
        raise NoPicture('it is a HEIC photo: install pillow-heif, or save it as JPEG' if _is_heif(data) else
                        'it is not a picture that OpenCV or Pillow can decode')
    with image:
        return bgr_of_pillow(image)


def _is_heif(data: bytes) -> bool:
    return data[4:8] == b'ftyp' and data[8:12] in (b'heic', b'heix', b'hevc', b'heim', b'heis', b'mif1', b'msf1')


@cache
def _learn_formats() -> None:
    """Let Pillow load its readers, and that of HEIC photos where it is installed."""
    Image.init()
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _of_pillow(error: Exception) -> UnusableInput:
    return CutShort() if 'truncated' in str(error) else UnusableInput(f'Pillow cannot decode it: {error}')

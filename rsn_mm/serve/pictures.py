"""Pictures from strangers: known formats, bounded size, decoded as ``rsn-mm predict`` decodes files."""
import numpy as np

from ..pictures import UnusableInput, decode_picture
from ..pictures.headers import FORMATS, BrokenHeader, read_header
from .limits import MEGAPIXEL, Limits, Refused


def decode_upload(data: bytes, limits: Limits) -> np.ndarray:
    """Decode a picture, turned as its EXIF data says.

    Args:
        data (bytes): A JPEG, PNG, WebP or BMP file.
        limits (Limits): Bounds of its size.

    Returns:
        np.ndarray: (H, W, 3) uint8 BGR.

    Raises:
        Refused: 400 for no, broken or truncated data, 413 for too many pixels, 415 for another format.
    """
    check_picture(data, limits)
    try:
        return decode_picture(data)
    except UnusableInput as error:  # OpenCV's words name places in its source, which are not for strangers
        raise Refused(400, 'The picture cannot be decoded: its data are broken or cut short.') from error


def check_picture(data: bytes, limits: Limits) -> None:
    """Refuse what should not reach the decoder; see :func:`decode_upload`."""
    if not data:
        raise Refused(400, 'There is no picture: the body of the request is empty.')
    try:
        header = read_header(data)
    except BrokenHeader as error:
        raise Refused(400, f'The picture cannot be decoded: {error}.') from error
    if header is None:
        raise Refused(415, f'This is no picture that is taken here: {", ".join(FORMATS[:-1])} and {FORMATS[-1]} are.')
    size = f'{header.width} x {header.height}'
    if header.width * header.height > limits.pixels:
        raise Refused(413, f'The picture has {size} pixels; {limits.pixels / MEGAPIXEL:g} megapixels are the most. Make it '
                           'smaller.')
    if max(header.width, header.height) > limits.side:
        raise Refused(413, f'The picture has {size} pixels; {limits.side} are the longest side. Cut it.')
    # Within compressed data FF is followed by 00, so this counts scans, and those of a thumbnail.
    if header.format == 'JPEG' and data.count(b'\xff\xda') > limits.jpeg_scans:
        raise Refused(400, f'The JPEG has more than {limits.jpeg_scans} scans. Save it anew.')

"""Format and size of a picture from its file's structure, without decoding it.

Sources: ITU-T T.81 (JPEG), ISO/IEC 15948 (PNG), RFC 9649 (WebP), Microsoft's BITMAPFILEHEADER (BMP).
"""
import struct
from typing import Callable, Dict, NamedTuple, Optional

from .jpeg import segments

# Start of frame: FFC0 to FFCF but DHT (C4), JPG (C8) and DAC (CC).
START_OF_FRAME = frozenset(range(0xc0, 0xd0)) - {0xc4, 0xc8, 0xcc}


class Header(NamedTuple):
    """Format (``'JPEG'``, ``'PNG'``, ``'WebP'`` or ``'BMP'``), width and height in px as stored, whether there is more than one
    frame, and whether all parts are there that it announces."""
    format: str
    width: int
    height: int
    animated: bool = False
    whole: bool = True


class BrokenHeader(ValueError):
    """The format is known, and the rest of the header makes no sense."""


def read_header(data: bytes) -> Optional[Header]:
    """Read the header of a picture.

    Args:
        data (bytes): A whole file.

    Returns:
        Header, optional: None if it is none of the four formats.

    Raises:
        BrokenHeader: if it is one, and its size cannot be read or is 0, or parts that it announces are missing.
    """
    for signature, read in _READERS.items():
        if data.startswith(signature):
            try:
                header = read(data)
            except (struct.error, IndexError) as error:
                raise BrokenHeader('the file is cut short') from error
            if header is not None and not (header.width > 0 and header.height > 0):
                raise BrokenHeader(f'its header says {header.width}x{header.height} pixels')
            return header
    return None


def _jpeg(data: bytes) -> Header:
    for marker, position in segments(data):
        if marker in START_OF_FRAME:
            height, width = struct.unpack_from('>HH', data, position + 5)
            return Header('JPEG', width, height)
    raise BrokenHeader('its pixels come before its size')


def _png(data: bytes) -> Header:
    kind, width, height = struct.unpack_from('>4sII', data, 12)
    if kind != b'IHDR':
        raise BrokenHeader('it does not begin with IHDR')
    # OpenCV 5 makes room for a chunk of 4 GB because its length says so, before it looks for the data.
    position, animated = 8, False
    while kind != b'IEND':
        if position + 8 > len(data):
            return Header('PNG', width, height, animated, whole=False)
        length, kind = struct.unpack_from('>I4s', data, position)
        animated |= kind == b'acTL'
        position += 12 + length
    return Header('PNG', width, height, animated, whole=position <= len(data))


def _webp(data: bytes) -> Optional[Header]:
    riff_size, form, kind = struct.unpack_from('<I4s4s', data, 4)
    if form != b'WEBP':
        return None  # another file in a RIFF container, such as AVI
    if riff_size + 8 > len(data):
        raise BrokenHeader('the file is cut short')
    animated = False
    if kind == b'VP8X':
        animated = bool(data[20] & 0x02)
        width, height = (1 + int.from_bytes(data[start:start + 3], 'little') for start in (24, 27))
    elif kind == b'VP8L':
        bits = struct.unpack_from('<I', data, 21)[0]
        width, height = 1 + (bits & 0x3fff), 1 + (bits >> 14 & 0x3fff)
    elif kind == b'VP8 ':
        width, height = (side & 0x3fff for side in struct.unpack_from('<HH', data, 26))
    else:
        raise BrokenHeader('it begins with no known chunk')
    return Header('WebP', width, height, animated)


def _bmp(data: bytes) -> Header:
    size_of_header = struct.unpack_from('<I', data, 14)[0]
    if size_of_header == 12:  # OS/2
        return Header('BMP', *struct.unpack_from('<HH', data, 18))
    width, height = struct.unpack_from('<ii', data, 18)
    return Header('BMP', width, abs(height))  # a negative height: rows from top to bottom


_READERS: Dict[bytes, Callable[[bytes], Optional[Header]]] = {
    b'\xff\xd8\xff': _jpeg,
    b'\x89PNG\r\n\x1a\n': _png,
    b'RIFF': _webp,
    b'BM': _bmp,
}
FORMATS = ('JPEG', 'PNG', 'WebP', 'BMP')

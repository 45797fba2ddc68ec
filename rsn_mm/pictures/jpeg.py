"""The parts of a JPEG file, found as libjpeg finds them, and whether the last of them is there.

Source: ITU-T T.81, annex B. Cameras and editors leave bytes between segments and behind the end; every decoder skips them.
"""
import io
from typing import Iterator, Tuple

from PIL import Image

_START, _END, _SCAN = b'\xff\xd8\xff', b'\xff\xd9', 0xda
# Markers without a length: TEM, RST0 to RST7, SOI.
_ALONE = frozenset({0x01, *range(0xd0, 0xd9)})


def segments(data: bytes) -> Iterator[Tuple[int, int]]:
    """Marker and position (of its 0xff) of each segment up to the compressed pixels of the first scan, or the end.

    Raises:
        IndexError: if the file ends before.
    """
    position = 2
    while True:
        position = data.find(b'\xff', position)
        if position < 0:
            raise IndexError('no further marker')
        marker = data[position + 1]
        if marker in (0, 0xff):  # a stuffed byte, which is none; or a fill byte
            position += 1
            continue
        yield marker, position
        if marker in (_SCAN, _END[1]):
            return
        if marker in _ALONE:
            position += 2
            continue
        length = data[position + 2] << 8 | data[position + 3]
        position += 2 + length


def is_cut_short(data: bytes) -> bool:
    """Whether pixels are missing at the end of a JPEG file; OpenCV before 5 fills them with grey. Other formats: False.

    A file without its end marker is whole if its pixels are.
    """
    if not data.startswith(_START):
        return False
    if data.endswith(_END):
        return False
    # A thumbnail within the header has an end of its own: look behind the start of the scan.
    try:
        *_, (marker, scan) = segments(data)
    except IndexError:
        return True
    if marker != _SCAN:
        return True
    return data.find(_END, scan) < 0 and _lacks_pixels(data)


def _lacks_pixels(data: bytes) -> bool:
    """Pillow decodes without inventing what is not there."""
    try:
        with Image.open(io.BytesIO(data), formats=('JPEG', )) as image:
            image.load()
    except (OSError, SyntaxError, ValueError):
        return True
    return False

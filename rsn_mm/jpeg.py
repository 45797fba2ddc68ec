"""JPEG files that were not written to their end: OpenCV fills what is missing with grey."""
from typing import Optional

_START, _END, _SCAN = b'\xff\xd8\xff', b'\xff\xd9', 0xda


def is_cut_short(data: bytes) -> bool:
    """Whether the content of a JPEG file lacks its end. Other formats: False."""
    if not data.startswith(_START):
        return False
    # A thumbnail within the header has an end of its own: look behind the start of the scan.
    scan = _start_of_scan(data)
    return scan is None or data.find(_END, scan) < 0


def is_file_cut_short(path: str) -> bool:
    """:func:`is_cut_short` of a file. Almost always the first three and the last two bytes tell, and no more is read.

    Raises:
        OSError: if it cannot be opened.
    """
    with open(path, 'rb') as file:
        if file.read(len(_START)) != _START:
            return False
        file.seek(-2, 2)
        if file.read() == _END:
            return False
        file.seek(0)
        return is_cut_short(file.read())


def _start_of_scan(data: bytes) -> Optional[int]:
    """Where the compressed pixels begin, or None if the header is not whole."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xff:
        marker = data[position + 1]
        if marker == 0xff:  # fill byte
            position += 1
            continue
        if marker == _SCAN:
            return position
        position += 2 + int.from_bytes(data[position + 2:position + 4], 'big')
    return None

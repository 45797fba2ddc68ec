"""JPEG files that were not written to their end, which OpenCV before 5 decodes with grey below."""
from PIL import Image, UnidentifiedImageError

_START, _END = b'\xff\xd8', b'\xff\xd9'


def is_cut_short(path: str) -> bool:
    """Whether a file begins as a JPEG does and stops before its picture is complete.

    Almost always the first and the last two bytes tell. Where something stands behind the end marker, as some cameras
    write, the picture is decoded.

    Args:
        path (str): A file.

    Raises:
        OSError: if it cannot be opened.
    """
    with open(path, 'rb') as file:
        if file.read(2) != _START:
            return False
        file.seek(-2, 2)
        if file.read() == _END:
            return False
    try:
        with Image.open(path) as image:
            image.load()
    except UnidentifiedImageError:
        return False
    except OSError:
        return True
    return False

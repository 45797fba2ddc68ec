"""Faults of photos: files that are missing, cannot be decoded, or have another size than the annotations say."""
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Hashable, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from PIL import Image
from tqdm import tqdm

from ..pictures import CutShort, NoPicture, UnusableInput, read_picture
from .kinds import Fault

# Photos whose results a thread may be ahead of the one that is waited for.
AT_ONCE = 1024
ORIENTATION = 0x0112


class Photo(NamedTuple):
    """A file, its id, and its (width, height) in px as the annotations say, None if they do not."""
    path: str
    image_id: Hashable
    size_wh: Optional[Tuple[int, int]]


def photo_fault(photo: Photo) -> Optional[Fault]:
    """What is wrong with a photo, decoded as in training; None if nothing is."""
    kind, detail = _kind_and_detail(photo)
    return Fault(kind, detail, None, photo.image_id, photo.path) if kind else None


def _kind_and_detail(photo: Photo) -> Tuple[str, str]:
    if not os.path.isfile(photo.path):
        return 'photo missing', 'there is no such file'
    try:
        image = read_picture(photo.path)
    except CutShort:
        return 'photo cut short', f'{os.path.getsize(photo.path)} bytes'
    except NoPicture:
        return 'photo unreadable', f'{os.path.getsize(photo.path)} bytes'
    except (UnusableInput, MemoryError) as error:
        return 'photo unreadable', str(error)
    height, width = image.shape[:2]
    turned = _orientation(photo.path)
    if photo.size_wh not in (None, (width, height)):
        why = f', as its EXIF orientation is {turned}' if photo.size_wh == (height, width) and turned > 1 else ''
        return 'photo size', f'{width}x{height} px instead of {photo.size_wh[0]}x{photo.size_wh[1]}{why}'
    # A photo whose sides change places and then agree with the annotations was labelled as it is read.
    if turned > 1 and (turned < 5 or width == height):
        return 'photo turned', f'EXIF orientation {turned}: labels made on the pixels as stored do not fit'
    return '', ''


def _orientation(path: str) -> int:
    """EXIF orientation of an image file, 1 if it has none or none that can be read."""
    try:
        with Image.open(path) as image:
            value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # Pillow's, of whatever it does not know; OpenCV has decoded the picture.
        return 1
    return value if value in range(1, 9) else 1


def find_photo_faults(photos: Iterable[Photo], workers: int = 1, progress: bool = True) -> Iterator[Fault]:
    """Faults of photos, in their order.

    Threads decode them: OpenCV lets go of Python's lock, and a thread is there at once where a process would first import.

    Args:
        photos (Iterable[Photo]): What to look at.
        workers (int): Threads.
        progress (bool): Show a bar on stderr.

    Raises:
        ValueError: if ``workers`` is below 1.
    """
    if workers < 1:
        raise ValueError(f'workers={workers!r} must be a number of threads, at least 1.')
    photos = list(photos)
    with ThreadPoolExecutor(workers) as pool, tqdm(total=len(photos), unit=' photos', disable=not progress) as bar:
        for start in range(0, len(photos), AT_ONCE):
            some: List[Photo] = photos[start:start + AT_ONCE]
            for fault in pool.map(photo_fault, some):
                bar.update()
                if fault is not None:
                    yield fault

"""MMPose's ``LoadImage`` with the package's one way of decoding, a memory of decoded photos, and errors that say what to do."""
import os
from typing import Any, Optional, Tuple

import numpy as np
from mmengine import fileio
from mmpose.datasets.transforms import LoadImage as MMPoseLoadImage

from ..pictures import NoPicture, UnusableInput, decode_picture
from ..registry import TRANSFORMS
from .image_cache import ImageCache


class UnreadableImageError(OSError):
    """A file that is no whole image. A data set in training leaves out a few of them, see ``rsn_mm.datasets``."""


@TRANSFORMS.register_module()
class LoadImage(MMPoseLoadImage):
    """Load an image as MMPose does, and keep it for the other persons of the photo.

    Args:
        cache_mb (float): MiB of decoded photos that each process keeps, 0 for none (default). A photo of COCO takes 0.9 MiB.
            Kept images are shared and therefore read-only. A file that has changed is read anew; files behind a storage
            backend are never kept.
        **kwargs: Arguments of MMPose's ``LoadImage``. With another ``color_type`` or ``imdecode_backend`` than its own, MMCV
            decodes.

    Raises:
        ValueError: if ``cache_mb`` is negative.
        UnreadableImageError: if the file is missing, empty, no image, or cut short, naming the file.
    """

    def __init__(self, cache_mb: float = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not cache_mb >= 0:
            raise ValueError(f'cache_mb={cache_mb!r} must be the MiB of photos to keep, 0 for none.')
        self.cache_mb = cache_mb
        self._cache = ImageCache(int(cache_mb * 2**20))

    def transform(self, results: dict) -> Optional[dict]:
        try:
            return self._load(results)
        except Exception as error:
            path = results.get('img_path')
            if path is None:
                raise
            raise UnreadableImageError(
                f'The image {path!r} cannot be read: {_reason(path, error)}. Restore it, or take it out of the annotation '
                "file; the data set's data_root and data_prefix say where images are looked for.") from error

    def _load(self, results: dict) -> Optional[dict]:
        if 'img' in results or not self.cache_mb:
            return self._load_whole(results)
        state = _file_state(results['img_path'])
        image = self._cache.get(state)
        if image is not None:
            results.update(img=image, img_shape=image.shape[:2], ori_shape=image.shape[:2])
            return results
        loaded = self._load_whole(results)
        if loaded is not None and state is not None:
            self._cache.put(state, loaded['img'])
        return loaded

    def _load_whole(self, results: dict) -> Optional[dict]:
        if 'img' in results or self.color_type != 'color' or self.imdecode_backend not in (None, 'cv2'):
            return super().transform(results)
        path = results['img_path']
        try:
            image = decode_picture(fileio.get(path, backend_args=self.backend_args))
        except (UnusableInput, OSError):
            if self.ignore_empty:
                return None
            raise
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, cache_mb={self.cache_mb})'


def _file_state(path: str) -> Optional[Tuple[str, int, int, int]]:
    """What tells a file apart from another one later under the same name; None if it is no local file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return path, status.st_ino, status.st_size, status.st_mtime_ns


def _reason(path: str, error: Exception) -> str:
    if '://' in path:
        return f'its backend says {error}'
    if not os.path.isfile(path):
        return 'there is no such file'
    if os.path.getsize(path) == 0:
        return 'the file is empty'
    if isinstance(error, UnusableInput) and not isinstance(error, NoPicture):
        return str(error)
    return 'the file is not an image that OpenCV or Pillow can decode'

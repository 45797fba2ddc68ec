"""MMPose's ``LoadImage`` with errors that say what to do."""
import os

from mmpose.datasets.transforms import LoadImage as MMPoseLoadImage

from ..registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(MMPoseLoadImage):
    """Load an image as MMPose does.

    Raises:
        OSError: if the file is missing, empty or no image, naming the file.
    """

    def transform(self, results: dict) -> dict:
        try:
            return super().transform(results)
        except Exception as error:
            path = results.get('img_path')
            if path is None:
                raise
            raise OSError(f'The image {path!r} cannot be read: {_reason(path, error)}. Restore it, or take it out of the '
                          "annotation file; the data set's data_root and data_prefix say where images are looked for."
                          ) from error


def _reason(path: str, error: Exception) -> str:
    if '://' in path:
        return f'its backend says {error}'
    if not os.path.isfile(path):
        return 'there is no such file'
    if os.path.getsize(path) == 0:
        return 'the file is empty'
    return 'the file is not an image that OpenCV can decode'

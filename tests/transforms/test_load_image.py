"""LoadImage: MMPose's pixels, our errors."""
import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import LoadImage as MMPoseLoadImage

from rsn_mm.transforms import LoadImage, UnreadableImageError


@pytest.fixture
def photo(tmp_path) -> str:
    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8))
    return str(path)


class TestLoadImage:

    def test_loads_as_mmpose_does(self, photo):
        ours, theirs = LoadImage()(dict(img_path=photo)), MMPoseLoadImage()(dict(img_path=photo))
        np.testing.assert_array_equal(ours.pop('img'), theirs.pop('img'))
        assert ours == theirs and ours['img_shape'] == (12, 10)

    def test_image_in_memory(self):
        image = np.zeros((12, 10, 3), np.uint8)
        assert LoadImage()(dict(img=image))['img'] is image

    def test_missing_file(self, tmp_path):
        path = str(tmp_path / 'none.jpg')
        with pytest.raises(OSError, match=r"none\.jpg' cannot be read: there is no such file\. .*data_root"):
            LoadImage()(dict(img_path=path))

    def test_empty_file(self, tmp_path):
        path = tmp_path / 'empty.jpg'
        path.write_bytes(b'')
        with pytest.raises(OSError, match=r"empty\.jpg' cannot be read: the file is empty"):
            LoadImage()(dict(img_path=str(path)))

    @pytest.mark.parametrize('content', [b'no image at all', b'\xff\xd8', b'\xff\xd8 no jpeg'])
    def test_file_that_is_no_image(self, tmp_path, content):
        path = tmp_path / 'broken.jpg'
        path.write_bytes(content)
        with pytest.raises(OSError, match=r"broken\.jpg' cannot be read: the file is not an image"):
            LoadImage()(dict(img_path=str(path)))

    @pytest.mark.parametrize('cache_mb', [0, 1])
    @pytest.mark.parametrize('progressive', [0, 1])
    @pytest.mark.parametrize('missing', [1, 2, 100, 700])
    def test_jpeg_that_is_cut_short(self, tmp_path, cache_mb, progressive, missing):
        path = tmp_path / 'short.jpg'
        image = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        content = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])[1].tobytes()
        path.write_bytes(content[:-missing])
        with pytest.raises(UnreadableImageError, match=r"short\.jpg' cannot be read: the file is cut short"):
            LoadImage(cache_mb=cache_mb)(dict(img_path=str(path)))
        path.write_bytes(content + b'more')
        assert LoadImage(cache_mb=cache_mb)(dict(img_path=str(path)))['img_shape'] == (40, 40)

    def test_folder(self, tmp_path):
        with pytest.raises(OSError, match='cannot be read: there is no such file'):
            LoadImage()(dict(img_path=str(tmp_path)))

    def test_other_errors_stay(self):
        with pytest.raises(KeyError):
            LoadImage()(dict())

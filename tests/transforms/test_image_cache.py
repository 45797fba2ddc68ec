"""ImageCache: bounded, the least recently used goes first; LoadImage with it: the same pixels, each file decoded once."""
import copy
import os
import pickle

import cv2
import numpy as np
import pytest
from mmpose.datasets.transforms import LoadImage as MMPoseLoadImage

from rsn_mm.transforms import LoadImage, loading
from rsn_mm.transforms.image_cache import ImageCache


def image(value: int, size: int = 10) -> np.ndarray:
    return np.full(size, value, np.uint8)


class TestImageCache:

    def test_least_recently_used_goes_first(self):
        cache = ImageCache(30)
        for value in range(3):
            cache.put(value, image(value))
        assert cache.get(0)[0] == 0  # now 1 is the oldest
        cache.put(3, image(3))
        assert cache.get(1) is None
        assert [cache.get(value)[0] for value in (0, 2, 3)] == [0, 2, 3]

    def test_bytes_are_bounded(self):
        cache, rng = ImageCache(100), np.random.default_rng(0)
        for _ in range(300):
            cache.put(int(rng.integers(20)), image(0, int(rng.integers(1, 120))))
            kept = [cache.get(key) for key in range(20)]
            total = sum(one.nbytes for one in kept if one is not None)
            assert total == cache.num_bytes <= 100 and len(cache) == sum(one is not None for one in kept)

    def test_too_large_is_not_kept_and_drives_nothing_out(self):
        cache = ImageCache(10)
        cache.put('a', image(1))
        cache.put('b', image(2, 11))
        assert cache.get('b') is None and cache.get('a') is not None

    def test_kept_images_are_read_only(self):
        cache = ImageCache(10)
        cache.put('a', image(1))
        with pytest.raises(ValueError, match='read-only'):
            cache.get('a')[0] = 5

    @pytest.mark.parametrize('duplicate', [copy.deepcopy, lambda cache: pickle.loads(pickle.dumps(cache))])
    def test_copies_are_empty(self, duplicate):
        cache = ImageCache(10)
        cache.put('a', image(1))
        assert len(duplicate(cache)) == 0 and duplicate(cache).max_bytes == 10


@pytest.fixture
def decoded(monkeypatch) -> list:
    """Fills with the length of every file that is decoded."""
    lengths, decode = [], loading.decode_picture
    monkeypatch.setattr(loading, 'decode_picture', lambda content: (lengths.append(len(content)), decode(content))[1])
    return lengths


@pytest.fixture
def photos(tmp_path) -> list:
    paths = [str(tmp_path / f'{i}.png') for i in range(3)]
    for seed, path in enumerate(paths):
        cv2.imwrite(path, np.random.default_rng(seed).integers(0, 256, (100, 90, 3), dtype=np.uint8))
    return paths


class TestLoadImageWithCache:

    def test_as_mmpose_and_once_a_photo(self, photos, decoded):
        expected = [MMPoseLoadImage()(dict(img_path=path)) for path in photos]
        decoded.clear()
        load = LoadImage(cache_mb=1)
        for index in (0, 1, 0, 2, 2, 1, 0):
            np.testing.assert_equal(load(dict(img_path=photos[index])), expected[index])
        assert len(decoded) == 3

    def test_a_photo_in_turn_at_a_small_bound(self, photos, decoded):
        load = LoadImage(cache_mb=.03)  # one of 27,000 bytes
        for index in (0, 0, 1, 1, 0):
            load(dict(img_path=photos[index]))
        assert len(decoded) == 3

    def test_none_by_default(self, photos, decoded):
        load = LoadImage()
        first, second = load(dict(img_path=photos[0])), load(dict(img_path=photos[0]))
        assert len(decoded) == 2 and first['img'] is not second['img'] and first['img'].flags.writeable

    def test_changed_file_is_read_anew(self, photos):
        load = LoadImage(cache_mb=1)
        load(dict(img_path=photos[0]))
        status = os.stat(photos[0])
        cv2.imwrite(photos[0], np.full((100, 90, 3), 7, np.uint8))
        os.utime(photos[0], ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert (load(dict(img_path=photos[0]))['img'] == 7).all()

    def test_image_in_memory_is_not_kept(self, photos):
        load = LoadImage(cache_mb=1)
        given = np.zeros((12, 10, 3), np.uint8)
        assert load(dict(img=given, img_path=photos[0]))['img'] is given
        assert load(dict(img_path=photos[0]))['img'].shape == (100, 90, 3)

    def test_missing_file(self, tmp_path):
        with pytest.raises(OSError, match=r"none\.jpg' cannot be read: there is no such file"):
            LoadImage(cache_mb=1)(dict(img_path=str(tmp_path / 'none.jpg')))

    @pytest.mark.parametrize('cache_mb', [-1, float('nan')])
    def test_wrong_bound(self, cache_mb):
        with pytest.raises(ValueError, match=r'cache_mb=.* MiB of photos to keep, 0 for none'):
            LoadImage(cache_mb=cache_mb)

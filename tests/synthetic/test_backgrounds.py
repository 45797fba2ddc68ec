import numpy as np
import pytest

from rsn_mm.synthetic import backgrounds
from rsn_mm.synthetic.photo import add_shadow, finish_photo


@pytest.mark.parametrize('function', backgrounds.BACKGROUNDS, ids=lambda function: function.__name__)
@pytest.mark.parametrize('size_wh', ((77, 96), (160, 120)))
def test_background_fills_the_picture(function, size_wh):
    for seed in range(4):
        picture = function(np.random.default_rng(seed), *size_wh)
        assert picture.shape == (size_wh[1], size_wh[0], 3) and picture.dtype == np.float32
        assert np.isfinite(picture).all() and picture.min() > -0.3 and picture.max() < 1.5
        assert np.ptp(picture) > 0.02
        np.testing.assert_array_equal(picture, function(np.random.default_rng(seed), *size_wh))


def test_sampled_backgrounds_are_in_range_and_differ():
    pictures = [backgrounds.sample_background(np.random.default_rng(seed), 96, 96) for seed in range(12)]
    assert all(picture.min() >= 0 and picture.max() <= 1 for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == 12


def test_clutter_draws_as_many_shapes_as_asked():
    plain = np.full((96, 96, 3), 0.5, np.float32)
    none, some = plain.copy(), plain.copy()
    backgrounds.add_clutter(np.random.default_rng(0), none, 0)
    backgrounds.add_clutter(np.random.default_rng(0), some, 6)
    assert (none == plain).all() and (some != plain).any(axis=2).sum() > 50


def test_smooth_noise_range_and_octaves():
    coarse = backgrounds.smooth_noise(np.random.default_rng(0), 64, 48, 1)
    fine = backgrounds.smooth_noise(np.random.default_rng(0), 64, 48, 5)
    assert coarse.shape == (48, 64) and coarse.min() >= 0 and fine.max() <= 1
    assert np.abs(np.diff(fine, axis=1)).mean() > np.abs(np.diff(coarse, axis=1)).mean()


def test_shadow_darkens_below_the_person_only():
    picture = np.ones((100, 80, 3), np.float32)
    add_shadow(picture, np.array((20, 10, 60, 90)), 80.0)
    assert picture[88, 40, 0] < 0.7 and picture[60, 40, 0] == 1 and picture[88, 5, 0] == 1
    outside = np.ones((100, 80, 3), np.float32)
    add_shadow(outside, np.array((-300, 10, -250, 400)), 300.0)
    assert (outside == 1).all()


def test_finished_photo_is_bgr_bytes():
    picture = np.zeros((40, 50, 3), np.float32)
    picture[..., 0] = 0.9
    photo = finish_photo(np.random.default_rng(0), picture)
    assert photo.shape == (40, 50, 3) and photo.dtype == np.uint8
    assert photo[..., 2].mean() > 150 > 20 > photo[..., 0].mean()

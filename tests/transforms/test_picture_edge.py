"""The picture ends on the person: pixels, box and joints of what is left."""
import numpy as np
import pytest

from rsn_mm.transforms import RandomPictureEdge

# A person of 40 x 100 px at (30, 20), a joint every 10 px down its middle, in a picture whose pixels are their position.
BOX = (30, 20, 70, 120)


def person(dims=2):
    y, x = np.mgrid[:150, :100]
    joints = np.stack([np.full(9, 50.), np.arange(30., 111, 10)], axis=1)
    visible = np.ones((1, 9), np.float32) if dims == 2 else np.ones((1, 9, 2), np.float32)
    return dict(img=np.stack([x, y, 0 * x], axis=2).astype(np.uint8), img_shape=(150, 100), keypoints=joints[None],
                keypoints_visible=visible, bbox_center=np.array([[50., 70.]], np.float32),
                bbox_scale=np.array([[40., 100.]], np.float32))


def cut(side, kept, results=None, **kwargs):
    sides = [float(side == name) for name in ('bottom', 'top', 'left', 'right')]
    return RandomPictureEdge(prob=1., kept=(kept, kept), sides=sides, **kwargs).transform(results or person())


def box(results):
    center, scale = results['bbox_center'][0], results['bbox_scale'][0]
    return [*(center - scale / 2), *(center + scale / 2)]


@pytest.mark.parametrize('side, kept, left_top, size, expected_box', [
    ('bottom', 0.5, (0, 0), (100, 70), (30, 20, 70, 70)),
    ('top', 0.5, (0, 70), (100, 80), (30, 0, 70, 50)),
    ('left', 0.75, (40, 0), (60, 150), (0, 20, 30, 120)),
    ('right', 0.75, (0, 0), (60, 150), (30, 20, 60, 120)),
])
def test_pixels_box_and_joints_go_together(side, kept, left_top, size, expected_box):
    results = cut(side, kept)
    assert results['img'].shape[1::-1] == size and results['img_shape'] == size[::-1]
    assert results['img'][0, 0, :2].tolist() == list(left_top)
    np.testing.assert_allclose(box(results), expected_box)
    np.testing.assert_array_equal(results['keypoints'], person()['keypoints'] - left_top)
    x, y = results['keypoints'][0].T
    inside = (x >= 0) & (y >= 0) & (x < size[0]) & (y < size[1])
    np.testing.assert_array_equal(results['keypoints_visible'][0] > 0, inside)
    if side in ('bottom', 'top'):
        assert 0 < inside.sum() < 9


def test_weights_beside_visibility_go_too():
    results = cut('bottom', 0.5, person(dims=3))
    np.testing.assert_array_equal(results['keypoints_visible'][0, :, 0] > 0, results['keypoints'][0, :, 1] < 70)
    np.testing.assert_array_equal(results['keypoints_visible'][..., 0], results['keypoints_visible'][..., 1])


def test_joints_stay_of_their_type():
    before = person()
    before['keypoints'] = before['keypoints'].astype(np.float32)
    assert cut('bottom', 0.5, before)['keypoints'].dtype == np.float32


@pytest.mark.parametrize('side', ['bottom', 'top'])
def test_a_box_beside_the_picture_leaves_it_whole(side):
    before = dict(person(), bbox_center=np.array([[-40., 70.]], np.float32))
    assert cut(side, 0.6, before)['img'].shape == (150, 100, 3)
    np.testing.assert_array_equal(before['bbox_scale'], [[40., 100.]])


def test_too_few_joints_leave_the_picture_whole():
    before = person()
    results = cut('bottom', 0.3, person(), min_keypoints=4)  # 2 joints would be left
    for key, value in before.items():
        np.testing.assert_array_equal(results[key], value)


def test_inputs_are_not_written_to():
    before = person()
    visible, center = before['keypoints_visible'], before['bbox_center']
    cut('bottom', 0.5, before)
    assert visible.all() and center.tolist() == [[50, 70]]


def test_shares_come_out_as_asked():
    transform = RandomPictureEdge(prob=0.4, kept=(0.5, 0.8), sides=(3, 0, 0, 1))
    draws = [transform._draw() for _ in range(4000)]
    assert np.mean([cut for cut, _, _ in draws]) == pytest.approx(0.4, abs=0.03)
    assert np.mean([side == 'bottom' for _, side, _ in draws]) == pytest.approx(0.75, abs=0.03)
    kept = np.array([kept for _, _, kept in draws])
    assert 0.5 <= kept.min() < 0.51 and 0.79 < kept.max() <= 0.8


def test_never():
    before = person()
    assert RandomPictureEdge(prob=0.).transform(before)['img'] is before['img']


@pytest.mark.parametrize('kwargs, message', [
    (dict(prob=2), 'prob=2'), (dict(kept=(0, 0.5)), r'kept=\(0, 0.5\)'), (dict(kept=(0.9, 0.5)), r'kept=\(0.9, 0.5\)'),
    (dict(sides=(0, 0, 0, 0)), 'sides='), (dict(sides=(1, 1)), 'sides='), (dict(min_keypoints=0), 'min_keypoints=0'),
])
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        RandomPictureEdge(**kwargs)

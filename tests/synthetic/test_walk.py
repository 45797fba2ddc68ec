"""The drawn video: people who keep their number, walk where they look, hide one another, and never jump."""
import numpy as np
import pytest

from rsn_mm.synthetic import draw_walk
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES
from rsn_mm.synthetic.walk import SPEED, figure_at, sample_walker

WIDTH, HEIGHT = 128, 96


@pytest.fixture(scope='module')
def frames():
    return list(draw_walk(4, 5, seed=3, size_wh=(WIDTH, HEIGHT), rate=5.))


def test_frames_and_their_truth(frames) -> None:
    assert [round(frame.time, 6) for frame in frames] == [0, 0.2, 0.4, 0.6, 0.8]
    hidden = 0
    for frame in frames:
        assert frame.image.shape == (HEIGHT, WIDTH, 3) and frame.image.dtype == np.uint8
        numbers = [person.number for person in frame.people]
        assert numbers == sorted(set(numbers)) and set(numbers) <= {1, 2, 3, 4}
        assert len(frame.in_sight) == len(numbers) and all(0 < share <= 1 for share in frame.in_sight)
        hidden += sum(share < 1 for share in frame.in_sight)
        for person in frame.people:
            x, y, w, h = person.box
            seen = person.keypoints[person.keypoints[:, 2] == 2, :2]
            assert (seen >= [x, y]).all() and (seen <= [x + w, y + h]).all()
    assert hidden


def test_the_same_seed_gives_the_same_frames_and_another_seed_others(frames) -> None:
    again, = draw_walk(4, 1, seed=3, size_wh=(WIDTH, HEIGHT))
    np.testing.assert_array_equal(again.image, frames[0].image)
    other, = draw_walk(4, 1, seed=4, size_wh=(WIDTH, HEIGHT))
    assert (other.image != frames[0].image).any()


def test_people_walk_where_they_look_with_feet_on_the_ground_and_do_not_jump() -> None:
    rate, nose, ears = 25., KEYPOINT_NAMES.index('nose'), [KEYPOINT_NAMES.index(f'{side}_ear') for side in ('left', 'right')]
    for seed in range(3):
        walker = sample_walker(np.random.default_rng(seed), 640, 360, 0.5)
        figures = [figure_at(walker, t / rate) for t in range(150)]
        joints = np.stack([figure.joints[:, :2] for figure in figures]) / 2
        middle = joints[:, 11:13].mean(axis=(1, 2), where=np.array([True, False]))
        speed = np.gradient(middle) * rate / walker.stature
        assert 0.8 * SPEED[0] < np.abs(speed).max() < 1.2 * SPEED[1]
        looks = joints[:, nose, 0] - joints[:, ears, 0].mean(axis=1)
        fast = np.abs(speed) > 0.2
        assert (np.sign(looks[fast]) == np.sign(speed[fast])).all()
        np.testing.assert_allclose([figure.box[3] / 2 for figure in figures], walker.ground, atol=1e-6)
        steps = np.linalg.norm(np.diff(joints, axis=0), axis=2)
        assert steps.max() < 0.13 * walker.stature
        assert 0 < min(figure.box[0] for figure in figures) and max(figure.box[2] for figure in figures) < 1280


def test_wrong_numbers_of_people_are_named() -> None:
    with pytest.raises(ValueError, match='num_people=0'):
        next(draw_walk(0))

"""The one-euro filter: calm at rest, on time in motion, by the time that has really passed."""
import numpy as np
import pytest

from rsn_mm.apis.smoothing import JointFilter

RATE = 25.
BOX = np.array([[0, 0, 80, 200]], np.float32)


def filtered(joints: np.ndarray, times: np.ndarray, strength: float = 1.) -> np.ndarray:
    """Frames (T, K, 2) of one person, filtered."""
    calm = JointFilter(strength)
    return np.concatenate([calm([1], frame[None].astype(np.float32), BOX, float(time)) for frame, time in zip(joints, times)])


def jitter(frames: np.ndarray, truth: np.ndarray) -> float:
    """Mean length of the second differences of what is not true."""
    return float(np.linalg.norm(np.diff(frames - truth, 2, axis=0), axis=-1).mean())


@pytest.fixture
def walk():
    """A joint that swings 20 px to and fro each second and moves 60 px/s, and the same with 2 px of noise; (250, 4, 2)."""
    times = np.arange(250) / RATE
    phases = np.arange(4)
    x = 60 * times[:, None] + 20 * np.sin(2 * np.pi * times[:, None] + phases)
    truth = np.stack([x, 100 + 5 * np.cos(2 * np.pi * times[:, None] + phases)], axis=2)
    return times, truth, truth + np.random.default_rng(0).normal(0, 2, truth.shape)


def test_less_jitter_and_less_than_a_frame_late(walk) -> None:
    times, truth, noisy = walk
    calm = filtered(noisy, times)
    assert jitter(calm, truth) < 0.4 * jitter(noisy, truth)
    errors = [np.abs(calm[25:] - truth[25 - lag:len(truth) - lag]).mean() for lag in range(4)]
    assert int(np.argmin(errors)) <= 1


def test_a_joint_at_rest_is_calmer_still_and_strength_makes_it_so(walk) -> None:
    times, _, noisy = walk
    truth = np.full_like(noisy, 50)
    rest = truth + np.random.default_rng(1).normal(0, 1, truth.shape)
    ratios = [jitter(filtered(rest, times, strength), truth) / jitter(rest, truth) for strength in (0.5, 1., 2.)]
    assert ratios[0] > ratios[1] > ratios[2] and ratios[1] < 0.25


def test_real_times_count() -> None:
    """After a longer gap the new joints count for more: one step of 0.2 s follows further than one of 0.04 s."""
    steps = np.zeros((2, 1, 2))
    steps[1] = 1.
    short, long = (filtered(steps, np.array([0, gap]))[1, 0, 0] for gap in (0.04, 0.2))
    assert 0.2 < short < long < 1
    assert filtered(steps, np.array([0, 5.]))[1, 0, 0] == 1  # somebody who was away begins anew


def test_everybody_has_a_filter_of_their_own() -> None:
    calm = JointFilter()
    boxes = np.repeat(BOX, 2, axis=0)
    calm([1, 2], np.stack([np.zeros((3, 2)), np.full((3, 2), 100.)]), boxes, 0.)
    swapped = calm([2, 1], np.stack([np.full((3, 2), 100.), np.zeros((3, 2))]), boxes, 0.04)
    np.testing.assert_array_equal(swapped, [np.full((3, 2), 100.), np.zeros((3, 2))])
    assert calm([], np.zeros((0, 3, 2)), np.zeros((0, 4)), 0.08).shape == (0, 3, 2)


def test_what_is_no_number_passes_and_leaves_nothing_behind() -> None:
    joints = np.ones((4, 1, 2))
    joints[1, 0, 0] = np.nan
    calm = filtered(joints, np.arange(4) / RATE)
    assert np.isnan(calm[1, 0, 0]) and np.isfinite(calm[[0, 2, 3]]).all() and calm[3, 0, 0] == 1


@pytest.mark.parametrize('strength', [2, True, np.float32(2), np.int64(2)])
def test_strengths_are_numbers_of_any_kind(strength) -> None:
    assert JointFilter(strength).strength == strength


@pytest.mark.parametrize('strength', [0, -1., np.inf, np.nan, 'much', None])
def test_wrong_strengths_are_named(strength) -> None:
    with pytest.raises(ValueError, match='smooth=.*a strength above 0'):
        JointFilter(strength)

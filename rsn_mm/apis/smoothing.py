"""Calm joints: the one-euro filter, for every joint of every person, with the real time between frames."""
from dataclasses import dataclass
from numbers import Real
from typing import Dict, Sequence, Union

import numpy as np

# Of a joint at rest at strength 1, in Hz, and how much more of them for a speed of one person a second.
LEAST_CUTOFF = 1.0
CUTOFF_OF_SPEED = 4.0
# Of the speed itself, in Hz.
SPEED_CUTOFF = 1.0
# Seconds after which somebody who was not seen begins anew.
LONGEST_GAP = 0.5


@dataclass
class _State:
    """Of a person: keypoints (K, 2) in px, their speeds (K, 2) in px/s, and when, in s."""
    keypoints: np.ndarray
    speeds: np.ndarray
    time: float


class JointFilter:
    """The one-euro filter (Casiez, Roussel and Vogel, CHI 2012): a low pass whose cutoff grows with the speed of a joint, so
    that a joint at rest does not tremble and a fast one is not late.

    Speeds count in sizes of the person, so that people near and far are treated alike, and both coordinates of a joint have
    the same cutoff.

    Args:
        strength (float): How calm; twice the strength is half the cutoff. Defaults to 1.

    Raises:
        ValueError: if ``strength`` is not a number above 0.
    """

    def __init__(self, strength: float = 1.) -> None:
        given: object = strength
        if not isinstance(given, Real) or not 0 < strength < np.inf:
            raise ValueError(f'smooth={strength!r} must be True, False, or a strength above 0: 1 is the default, 2 is calmer '
                             'and later, 0.5 is the opposite.')
        self.strength = float(strength)
        self._people: Dict[int, _State] = {}

    def __call__(self, track_ids: Union[Sequence[int], np.ndarray], keypoints: np.ndarray, boxes: np.ndarray,
                 time: float) -> np.ndarray:
        """Filter the joints of a frame.

        Args:
            track_ids (Sequence[int]): Number of each person, the same as in the frames before.
            keypoints (np.ndarray): (N, K, 2), in image px.
            boxes (np.ndarray): (N, 4), left, top, right, bottom in image px.
            time (float): In s; never less than before.

        Returns:
            np.ndarray: (N, K, 2) float32; those of people who are new stay as they are.
        """
        sizes = np.maximum((boxes[:, 2:] - boxes[:, :2]).max(axis=1, initial=0), 1.)
        calm = [self._filtered(int(number), joints.astype(np.float64), float(size), time)
                for number, joints, size in zip(track_ids, keypoints, sizes)]
        self._people = {number: state for number, state in self._people.items() if time - state.time <= LONGEST_GAP}
        return np.array(calm, np.float32).reshape(keypoints.shape)

    def reset(self) -> None:
        """Forget everybody."""
        self._people = {}

    def _filtered(self, number: int, joints: np.ndarray, size: float, time: float) -> np.ndarray:
        last = self._people.get(number)
        gap = time - last.time if last is not None else np.inf
        if last is None or gap > LONGEST_GAP:
            self._people[number] = _State(joints, np.zeros_like(joints), time)
            return joints
        if gap <= 0:
            return last.keypoints
        speeds = last.speeds + _share(SPEED_CUTOFF, gap) * ((joints - last.keypoints) / gap - last.speeds)
        pace = np.linalg.norm(speeds, axis=1, keepdims=True) / size
        cutoffs = (LEAST_CUTOFF + CUTOFF_OF_SPEED * pace) / self.strength
        calm = last.keypoints + _share(cutoffs, gap) * (joints - last.keypoints)
        # A joint that was no number would stay none for ever.
        calm = np.where(np.isfinite(calm), calm, joints)
        self._people[number] = _State(calm, np.where(np.isfinite(speeds), speeds, 0.), time)
        return calm


def _share(cutoff: Union[float, np.ndarray], gap: float) -> Union[float, np.ndarray]:
    """Of a new value in the filtered one, for a low pass with ``cutoff`` in Hz and ``gap`` seconds since the last value."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * gap))

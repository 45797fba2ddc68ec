"""Random crops as the authors' released code draws them: MMPose's draw from other distributions."""
from typing import Any, List, Optional, Sequence, Tuple

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.datasets.transforms import RandomBBoxTransform

from ..registry import TRANSFORMS

# The authors ask whether a STANDARD NORMAL number is below 0.5.
UPPER_PROBABILITY = 0.6914625


@TRANSFORMS.register_module()
class RandomBoxExtension(BaseTransform):
    """Widen and heighten boxes, each axis by a random amount of its own, uniform between nothing and ``max_extension``.

    Put it after ``GetBBoxCenterScale``, whose ``padding`` is the part that is not random. ``TopdownAffine`` fills the
    aspect ratio afterwards.

    Required and modified key: ``bbox_scale`` (N, 2), width and height of N boxes in px.

    Args:
        max_extension (tuple[float, float]): Largest growth (width, height) as fractions of the box, at least 0. Defaults to
            (0.6, 0.8), the authors' for COCO; on MPII they use none.

    Raises:
        ValueError: if ``max_extension`` is not two numbers of at least 0.

    Source: the authors' ``JointsDataset.py`` and ``attribute.py``. There the constant extension is 5 %.
    """

    def __init__(self, max_extension: Tuple[float, float] = (0.6, 0.8)) -> None:
        self.max_extension = _checked_extension(max_extension)

    @cache_randomness
    def _get_factors(self, num_boxes: int) -> np.ndarray:
        """Factors of width and height, (num_boxes, 2)."""
        return _random_factors(self.max_extension, num_boxes)

    def transform(self, results: dict) -> dict:
        scale = results['bbox_scale']
        results['bbox_scale'] = (scale * self._get_factors(len(scale))).astype(scale.dtype)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_extension={self.max_extension})'


@TRANSFORMS.register_module()
class UniformBBoxTransform(RandomBBoxTransform):
    """MMPose's ``RandomBBoxTransform`` with shift, scale and angle drawn uniformly.

    MMPose draws them from a normal distribution that is cut off at one standard deviation, so that the middle of each
    range comes up more often than its ends.

    Args:
        shift_factor (float): Largest shift as a fraction of the box. Defaults to 0.16.
        shift_prob (float): Probability of a shift. Defaults to 0, as in the authors' code.
        scale_factor (tuple[float, float]): Least and largest factor of the box. Defaults to (0.6, 1.0), which is the
            authors' 0.8 times U(0.75, 1.25) for COCO; for MPII it is (0.75, 1.25).
        scale_prob (float): Probability of scaling. Defaults to 1.
        rotate_factor (float): Largest angle in degrees, to either side. Defaults to 45; for MPII the authors' is 60.
        rotate_prob (float): Probability of a rotation. Defaults to 0.5.

    Raises:
        ValueError: if a probability is not in 0..1, a factor is negative, or the scales are not in order.

    Source: the authors' ``JointsDataset.py``.
    """

    def __init__(self,
                 shift_factor: float = 0.16,
                 shift_prob: float = 0.0,
                 scale_factor: Tuple[float, float] = (0.6, 1.0),
                 scale_prob: float = 1.0,
                 rotate_factor: float = 45.0,
                 rotate_prob: float = 0.5) -> None:
        _check_probabilities(shift_prob=shift_prob, scale_prob=scale_prob, rotate_prob=rotate_prob)
        if len(scale_factor) != 2 or not 0 < scale_factor[0] <= scale_factor[1]:
            raise ValueError(f'scale_factor={scale_factor!r} must be the least and the largest factor of the box, '
                             '0 < least <= largest, for example (0.6, 1.0).')
        for name, value in dict(shift_factor=shift_factor, rotate_factor=rotate_factor).items():
            if value < 0:
                raise ValueError(f'{name}={value!r} must be at least 0: it is the bound to either side.')
        super().__init__(shift_factor, shift_prob, scale_factor, scale_prob, rotate_factor, rotate_prob)

    @staticmethod
    def _truncnorm(low: float = -1., high: float = 1., size: tuple = ()) -> np.ndarray:
        """Uniform numbers where MMPose takes truncated normal ones."""
        return np.random.uniform(low, high, size).astype(np.float32)


@TRANSFORMS.register_module()
class RandomHalfBodyBox(BaseTransform):
    """Crop to the upper or the lower half of a body at random, as the authors do.

    The new box is the tightest around the labelled joints of the half, around its own centre, extended by a random amount on
    each axis. MMPose's ``RandomHalfBody`` centres on the mean of the joints, extends by a constant, and has other rules for
    which half is taken.

    The upper half is taken with probability ``upper_prob`` if it has ``min_half_keypoints`` labelled joints; else the lower
    half if it has as many; else the upper. A half of fewer than 3 joints, or whose joints are one point, leaves the
    box as it is.

    Required keys: ``keypoints`` (N, K, 2), ``keypoints_visible`` (N, K), ``bbox_center``, ``bbox_scale`` (N, 2) and, without
    ``upper_body_ids``, ``upper_body_ids`` of the data set. Modified keys: ``bbox_center``, ``bbox_scale``.

    Args:
        prob (float): Probability for a person with enough joints. Defaults to 0.3; for MPII the authors' is 0.5.
        min_total_keypoints (int): Labelled joints that a person must have. Defaults to 4; for MPII the authors' is 9.
        min_half_keypoints (int): See above. Defaults to 4.
        upper_prob (float): See above. Defaults to 0.69, the authors' ``np.random.randn() < 0.5``.
        max_extension (tuple[float, float]): As in :class:`RandomBoxExtension`. Defaults to (0.6, 0.8); for MPII the
            authors' is (0.6, 0.6).
        upper_body_ids (Sequence[int], optional): Joints of the upper half; all others are the lower. Defaults to those of
            the data set. On COCO the authors count the hips (11, 12) as upper, MMPose as lower.

    Raises:
        ValueError: if an argument is outside what is said above.

    Source: ``half_body_transform`` of the authors' ``JointsDataset.py``.
    """

    def __init__(self,
                 prob: float = 0.3,
                 min_total_keypoints: int = 4,
                 min_half_keypoints: int = 4,
                 upper_prob: float = UPPER_PROBABILITY,
                 max_extension: Tuple[float, float] = (0.6, 0.8),
                 upper_body_ids: Optional[Sequence[int]] = None) -> None:
        _check_probabilities(prob=prob, upper_prob=upper_prob)
        for name, value in dict(min_total_keypoints=min_total_keypoints, min_half_keypoints=min_half_keypoints).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name}={value!r} must be a number of joints, at least 1.')
        self.prob = prob
        self.min_total_keypoints = min_total_keypoints
        self.min_half_keypoints = min_half_keypoints
        self.upper_prob = upper_prob
        self.max_extension = _checked_extension(max_extension)
        self.upper_body_ids = None if upper_body_ids is None else tuple(upper_body_ids)

    @cache_randomness
    def _draw(self, num_people: int) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Whether to crop (N,), whether to the upper half (N,), and the factors of the box (N, 2)."""
        return (np.random.rand(num_people) < self.prob, np.random.rand(num_people) < self.upper_prob,
                _random_factors(self.max_extension, num_people))

    def transform(self, results: dict) -> dict:
        keypoints, visible = results['keypoints'], results['keypoints_visible']
        upper_ids = results['upper_body_ids'] if self.upper_body_ids is None else self.upper_body_ids
        crop, prefer_upper, factors = self._draw(len(keypoints))
        center, scale = results['bbox_center'].copy(), results['bbox_scale'].copy()
        for i in np.flatnonzero(crop):
            half = self._half(visible[i].reshape(keypoints.shape[1], -1)[:, 0] > 0, upper_ids, prefer_upper[i])
            corners = [keypoints[i, half, :2].min(axis=0), keypoints[i, half, :2].max(axis=0)] if half else None
            if corners and (corners[0] != corners[1]).any():
                center[i] = (corners[0] + corners[1]) / 2
                scale[i] = (corners[1] - corners[0]) * factors[i]
        results['bbox_center'], results['bbox_scale'] = center, scale
        return results

    def _half(self, labelled: np.ndarray, upper_ids: Sequence[int], prefer_upper: bool) -> Optional[List[int]]:
        """Labelled joints of the half to crop to, None to leave the person whole."""
        present = np.flatnonzero(labelled).tolist()
        if len(present) < self.min_total_keypoints:
            return None
        upper = [joint for joint in present if joint in upper_ids]
        lower = [joint for joint in present if joint not in upper_ids]
        if len(lower) < self.min_half_keypoints or (prefer_upper and len(upper) >= self.min_half_keypoints):
            half = upper
        else:
            half = lower
        return half if len(half) >= 3 else None

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(prob={self.prob}, min_total_keypoints={self.min_total_keypoints}, '
                f'min_half_keypoints={self.min_half_keypoints}, upper_prob={self.upper_prob}, '
                f'max_extension={self.max_extension}, upper_body_ids={self.upper_body_ids})')


def _random_factors(max_extension: Tuple[float, float], count: int) -> np.ndarray:
    return 1 + np.random.rand(count, 2) * max_extension


def _checked_extension(max_extension: Any) -> Tuple[float, float]:
    extension = tuple(max_extension) if isinstance(max_extension, (tuple, list)) else ()
    if len(extension) != 2 or not all(isinstance(value, (int, float)) and 0 <= value < np.inf for value in extension):
        raise ValueError(f'max_extension={max_extension!r} must be the largest growth of width and height as fractions, two '
                         'numbers of at least 0, for example (0.6, 0.8).')
    return extension


def _check_probabilities(**probabilities: float) -> None:
    for name, value in probabilities.items():
        if not 0 <= value <= 1:
            raise ValueError(f'{name}={value!r} is not a probability: give a number from 0 to 1.')

"""People before the camera: how many there are, how large each is, and where."""
from typing import List, NamedTuple, Sequence, Tuple

import numpy as np

from rsn_mm.synthetic.body import build_parts
from rsn_mm.synthetic.outfit import sample_outfit
from rsn_mm.synthetic.render import Part, place
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES, Pose, PosedBody, pose_body, sample_pose, sample_shape

# Each further person in a picture is this much less likely.
CROWD_FACTOR = 0.7
# The largest stature in picture heights, by the number of people: 1, 2, 3, and 4 or more.
LARGEST_STATURE = (0.95, 0.85, 0.75, 0.68)
SMALLEST_STATURE = 0.40
CLOSE_UP_SHARE = 0.10
LARGEST_OVERLAP = 0.30


class Figure(NamedTuple):
    """A person before the camera.

    Attributes:
        parts (tuple): placed parts, in pixels of the supersampled raster.
        joints (np.ndarray): (17, 3) keypoints, in the same pixels; z towards the viewer.
        reach (np.ndarray): (17,) how far, in the same pixels, the surface around a keypoint may lie in front of it.
        box (np.ndarray): (4,) left, top, right, bottom of the whole figure, in the same pixels, cut or not.
        stature (float): in the same pixels.
        pose (Pose): the sampled pose.
    """

    parts: Tuple[Part, ...]
    joints: np.ndarray
    reach: np.ndarray
    box: np.ndarray
    stature: float
    pose: Pose


def sample_figures(rng: np.random.Generator, raster_wh: Tuple[int, int], max_people: int) -> List[Figure]:
    """Placed figures, farthest (the one that stands highest in the picture) first."""
    weights = CROWD_FACTOR ** np.arange(max_people)
    count = 1 + int(rng.choice(max_people, p=weights / weights.sum()))
    figures: List[Figure] = []
    for _ in range(3 * count):
        figure = _sample_figure(rng, raster_wh, count)
        if len(figures) < count and all(_overlap(figure.box, other.box) <= LARGEST_OVERLAP for other in figures):
            figures.append(figure)
    return sorted(figures, key=lambda figure: float(figure.box[3]))


def _sample_figure(rng: np.random.Generator, raster_wh: Tuple[int, int], count: int) -> Figure:
    shape, pose = sample_shape(rng), sample_pose(rng)
    body = pose_body(shape, pose)
    parts = build_parts(shape, body, sample_outfit(rng), seated=pose.legs == 'sitting')
    stature, offset = _sample_place(rng, *extent(parts), raster_wh, count)
    return stand(parts, body, pose, stature, offset)


def stand(parts: Sequence[Part], body: PosedBody, pose: Pose, stature: float, offset: np.ndarray) -> Figure:
    """A figure of ``parts`` in statures, ``stature`` subpixels tall, the body's origin at ``offset`` (2,) in subpixels."""
    low, high = extent(parts)
    joints = np.stack([body.points[name] for name in KEYPOINT_NAMES]) * stature
    joints[:, :2] += offset
    box = np.concatenate((low * stature + offset, high * stature + offset))
    return Figure(place(parts, stature, offset), joints, keypoint_reach(parts) * stature, box, stature, pose)


def _sample_place(rng: np.random.Generator, low: np.ndarray, high: np.ndarray, raster_wh: Tuple[int, int],
                  count: int) -> Tuple[float, np.ndarray]:
    """Stature in subpixels and the position (2,) of the body's origin, for a body of the given extent in statures."""
    size, (width, height) = high - low, raster_wh
    upright = size[1] > size[0]
    if upright and rng.random() < CLOSE_UP_SHARE:
        stature = rng.uniform(1.15, 1.7) * height
        left = rng.uniform(0.3, 0.7) * width - 0.5 * size[0] * stature
        top = rng.uniform(0.02, 0.12) * height
    else:
        largest = LARGEST_STATURE[min(count, len(LARGEST_STATURE)) - 1]
        stature = rng.uniform(SMALLEST_STATURE, largest) * height
        stature = min(stature, 0.96 * height / size[1], 0.96 * width / size[0])
        left = rng.uniform(-0.06 * width, 1.06 * width - size[0] * stature)
        free = 0.98 * height - size[1] * stature
        top = free * (1 - rng.uniform(0, 0.7))
    return float(stature), np.array((left, top)) - low * stature


def extent(parts: Sequence[Part]) -> Tuple[np.ndarray, np.ndarray]:
    """Least and greatest x, y (2,) that the parts reach."""
    ends = np.stack([end[:2] for part in parts for end in (part.cone.start, part.cone.end)])
    radii = np.array([radius for part in parts for radius in (part.cone.start_radius, part.cone.end_radius)])[:, None]
    return (ends - radii).min(axis=0), (ends + radii).max(axis=0)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """Common area of two boxes (left, top, right, bottom) as a share of the smaller box."""
    common = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(float(np.prod(box[2:] - box[:2])) for box in (first, second))
    return float(np.prod(np.maximum(common, 0))) / smaller


def keypoint_reach(parts: Sequence[Part]) -> np.ndarray:
    """How far (17,) the surface around each keypoint may lie in front of it, in the parts' unit (statures)."""
    radii = dict.fromkeys(KEYPOINT_NAMES, 0.0)
    for part in parts:
        for name in part.joints:
            radii[name] = max(radii[name], part.cone.start_radius, part.cone.end_radius)
    return 1.2 * np.array(list(radii.values())) + 0.012

"""One picture: people of several sizes on a background, who may hide one another, and what is true about them.

Positions that leave this module follow COCO as MMPose and OpenCV read it: keypoint coordinate 0 is the middle of the
first pixel; a box spans whole pixels, so the first pixel reaches from 0 to 1.
"""
from typing import List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from rsn_mm.synthetic.backgrounds import colour, sample_background
from rsn_mm.synthetic.body import PROP, build_parts
from rsn_mm.synthetic.outfit import sample_outfit
from rsn_mm.synthetic.photo import add_shadow, finish_photo
from rsn_mm.synthetic.render import Layer, Part, draw_parts, place
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES, Pose, PosedBody, pose_body, sample_pose, sample_shape

SUPERSAMPLING = 2
FOREGROUND = -1
OUTSIDE, OCCLUDED, VISIBLE = 0, 1, 2
# Each further person in a picture is this much less likely.
CROWD_FACTOR = 0.7
# The largest stature in picture heights, by the number of people: 1, 2, 3, and 4 or more.
LARGEST_STATURE = (0.95, 0.85, 0.75, 0.68)
SMALLEST_STATURE = 0.40
CLOSE_UP_SHARE = 0.10
OCCLUDER_SHARE = 0.15
# A person is left out if less than this of what the picture frame shows of them remains in sight.
LEAST_VISIBLE_SHARE = 0.35
LEAST_JOINTS = 5
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


class Person(NamedTuple):
    """What is true about one person in the finished picture.

    Attributes:
        number (int): the person's value in :attr:`Picture.ids`.
        keypoints (np.ndarray): (17, 3) float, x, y, flag; 0 middle of the first pixel. Flag 2 visible, 1 occluded,
            0 outside the picture (then x = y = 0).
        box (tuple): x, y, width, height around the visible pixels and the visible keypoints, within the picture.
        area (float): visible pixels.
        segmentation (list): polygons [x, y, x, y, ...]; holes are filled.
        figure (Figure): where the person stood.
    """

    number: int
    keypoints: np.ndarray
    box: Tuple[float, float, float, float]
    area: float
    segmentation: List[List[float]]
    figure: Figure


class Picture(NamedTuple):
    """A finished picture.

    Attributes:
        image (np.ndarray): (h, w, 3) uint8, BGR.
        people (tuple): the persons, farthest first.
        ids (np.ndarray): (2h, 2w) int8: which person a subpixel shows, 0 background, ``FOREGROUND`` an object.
        depth (np.ndarray): (2h, 2w) float32: z of the person's surface there, in subpixels.
    """

    image: np.ndarray
    people: Tuple[Person, ...]
    ids: np.ndarray
    depth: np.ndarray


def make_picture(rng: np.random.Generator, width: int, height: int, max_people: int) -> Picture:
    """A random picture with 1 to ``max_people`` persons; at least one of them is well visible."""
    raster_wh = width * SUPERSAMPLING, height * SUPERSAMPLING
    light = sample_light(rng)
    drawn: List[Tuple[Figure, Layer]] = []
    while not drawn:
        figures = _sample_figures(rng, raster_wh, max_people)
        drawn = [(figure, draw_parts(figure.parts, figure.stature, raster_wh, light)) for figure in figures]
        drawn = _drop_hidden(drawn, raster_wh)
    ids, depth = stack(drawn, raster_wh)
    background = sample_background(rng, width, height)
    for figure, _ in drawn:
        add_shadow(background, figure.box / SUPERSAMPLING, figure.stature / SUPERSAMPLING)
    raster = paint(background, [layer for _, layer in drawn])
    if rng.random() < OCCLUDER_SHARE:
        _add_occluder(rng, raster, ids, [_least_in_sight(layer) for _, layer in drawn])
    image = finish_photo(rng, cv2.resize(raster, (width, height), interpolation=cv2.INTER_AREA))
    people = tuple(describe(figure, number, ids, depth) for number, (figure, _) in enumerate(drawn, 1))
    return Picture(image, people, ids, depth)


def keypoint_flags(joints: np.ndarray, reach: np.ndarray, number: int, ids: np.ndarray,
                   depth: np.ndarray) -> np.ndarray:
    """COCO flags of one person's keypoints, read off what was drawn.

    A keypoint is visible if its subpixel shows this person and the surface there is the one around the keypoint, that
    is, not farther in front of it than ``reach``. Another body part, person or object in between makes it occluded.

    Args:
        joints (np.ndarray): (17, 3) in subpixels.
        reach (np.ndarray): (17,) in subpixels.
        number (int): the person's value in ``ids``.
        ids (np.ndarray): (H, W) as :attr:`Picture.ids`.
        depth (np.ndarray): (H, W) as :attr:`Picture.depth`.

    Returns:
        np.ndarray: (17,) int.
    """
    height, width = ids.shape
    half = SUPERSAMPLING / 2
    x, y = joints[:, 0], joints[:, 1]
    # The outer half of a border pixel has no keypoint coordinate within 0 .. size - 1.
    inside = (x >= half) & (x <= width - half) & (y >= half) & (y <= height - half)
    columns = np.clip(np.floor(x), 0, width - 1).astype(int)
    rows = np.clip(np.floor(y), 0, height - 1).astype(int)
    seen = (ids[rows, columns] == number) & (depth[rows, columns] - joints[:, 2] <= reach)
    return np.where(inside, np.where(seen, VISIBLE, OCCLUDED), OUTSIDE)


def keypoint_reach(parts: Sequence[Part]) -> np.ndarray:
    """How far (17,) the surface around each keypoint may lie in front of it, in the parts' unit (statures)."""
    radii = dict.fromkeys(KEYPOINT_NAMES, 0.0)
    for part in parts:
        for name in part.joints:
            radii[name] = max(radii[name], part.cone.start_radius, part.cone.end_radius)
    return 1.2 * np.array(list(radii.values())) + 0.012


def sample_light(rng: np.random.Generator) -> np.ndarray:
    light = np.array((rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.75))
    return (light / np.linalg.norm(light)).astype(np.float32)


def _sample_figures(rng: np.random.Generator, raster_wh: Tuple[int, int], max_people: int) -> List[Figure]:
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


def window_of(layer: Layer) -> Tuple[slice, slice]:
    (left, top), (height, width) = layer.origin, layer.part.shape
    return np.s_[top:top + height, left:left + width]


def paint(background: np.ndarray, layers: Sequence[Layer]) -> np.ndarray:
    """The layers over the background (h, w, 3), the last in front: (2h, 2w, 3) float32, RGB in 0..1."""
    height, width = background.shape[:2]
    raster = cv2.resize(background, (width * SUPERSAMPLING, height * SUPERSAMPLING), interpolation=cv2.INTER_LINEAR)
    for layer in layers:
        covered = layer.part >= 0
        raster[window_of(layer)][covered] = layer.colour[covered]
    return raster


def stack(drawn: Sequence[Tuple[Figure, Layer]], raster_wh: Tuple[int, int]) -> Tuple[np.ndarray, np.ndarray]:
    """Identities and depths (H, W) of the figures laid over one another, the last one in front."""
    ids = np.zeros(raster_wh[::-1], np.int8)
    depth = np.full(raster_wh[::-1], -np.inf, np.float32)
    for number, (figure, layer) in enumerate(drawn, 1):
        window, covered = window_of(layer), layer.part >= 0
        props = [index for index, part in enumerate(figure.parts) if part.name == PROP]
        ids[window][covered] = number
        ids[window][np.isin(layer.part, props)] = FOREGROUND
        depth[window][covered] = layer.depth[covered]
    return ids, depth


def _least_in_sight(layer: Layer) -> float:
    """How many subpixels of a person must stay in sight."""
    return LEAST_VISIBLE_SHARE * np.count_nonzero(layer.part >= 0)


def _drop_hidden(drawn: List[Tuple[Figure, Layer]], raster_wh: Tuple[int, int]) -> List[Tuple[Figure, Layer]]:
    """Leave out, one at a time and the farthest first, those of whom too little is in sight."""
    drawn = list(drawn)
    while drawn:
        ids, depth = stack(drawn, raster_wh)
        for number, (figure, layer) in enumerate(drawn, 1):
            labelled = keypoint_flags(figure.joints, figure.reach, number, ids, depth) > OUTSIDE
            if np.count_nonzero(ids == number) <= _least_in_sight(layer) or np.count_nonzero(labelled) < LEAST_JOINTS:
                break
        else:
            return drawn
        del drawn[number - 1]
    return drawn


def _add_occluder(rng: np.random.Generator, raster: np.ndarray, ids: np.ndarray,
                  least_in_sight: Sequence[float]) -> None:
    """Draw a table, a pole, a bush or a box in front of everything, in place, unless it would hide a person."""
    height, width = ids.shape
    mask = np.zeros(ids.shape, np.uint8)
    kind, x = int(rng.integers(4)), int(rng.uniform(0.05, 0.95) * width)
    y = int(rng.uniform(0.6, 0.85) * height)
    if kind == 0:
        cv2.rectangle(mask, (x - width // 5, y), (x + width // 5, y + height // 20), 1, -1)
        for leg in (x - width // 6, x + width // 6):
            cv2.rectangle(mask, (leg, y), (leg + width // 50, height), 1, -1)
    elif kind == 1:
        cv2.rectangle(mask, (x, 0), (x + int(rng.uniform(0.02, 0.06) * width), height), 1, -1)
    elif kind == 2:
        for _ in range(14):
            leaf = x + int(rng.normal(0, 0.07) * width), y + int(abs(rng.normal(0.08, 0.08)) * height)
            cv2.circle(mask, leaf, int(rng.uniform(0.03, 0.06) * height), 1, -1)
    else:
        cv2.rectangle(mask, (x, y), (x + int(rng.uniform(0.1, 0.25) * width), height), 1, -1)
    covered = mask > 0
    if any(np.count_nonzero((ids == number) & ~covered) <= least for number, least in enumerate(least_in_sight, 1)):
        return
    shade = np.linspace(1.1, 0.75, height, dtype=np.float32)[:, None, None]
    raster[covered] = np.broadcast_to(colour(rng).astype(np.float32) * shade, raster.shape)[covered]
    ids[covered] = FOREGROUND


def describe(figure: Figure, number: int, ids: np.ndarray, depth: np.ndarray) -> Person:
    """Keypoints, box, area and outline of one person, in picture pixels."""
    mask = ids == number
    flags = keypoint_flags(figure.joints, figure.reach, number, ids, depth)
    places = np.round(figure.joints[:, :2] / SUPERSAMPLING - 0.5, 2)
    keypoints = np.concatenate((np.where(flags[:, None] > OUTSIDE, places, 0.0), flags[:, None]), axis=1)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    corners = np.array(((columns[0], rows[0]), (columns[-1] + 1, rows[-1] + 1))) / SUPERSAMPLING
    # A keypoint on the outline may lie up to half a pixel outside, since the two kinds of coordinate differ by that.
    corners = np.concatenate((corners, keypoints[flags == VISIBLE, :2]))
    low, high = corners.min(axis=0), corners.max(axis=0)
    x, y, width, height = (round(float(value), 2) for value in (*low, *(high - low)))
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    polygons = [cv2.approxPolyDP(outline, 1.0, True)[:, 0] for outline in outlines]
    segmentation = [np.round((polygon + 0.5) / SUPERSAMPLING, 2).ravel().tolist()
                    for polygon in polygons if len(polygon) >= 3]
    return Person(number, keypoints, (x, y, width, height), np.count_nonzero(mask) / SUPERSAMPLING ** 2, segmentation, figure)

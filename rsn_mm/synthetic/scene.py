"""One picture: people of several sizes on a background, who may hide one another, and what is true about them.

Positions that leave this module follow COCO as MMPose and OpenCV read it: keypoint coordinate 0 is the middle of the
first pixel; a box spans whole pixels, so the first pixel reaches from 0 to 1.
"""
from typing import List, NamedTuple, Sequence, Tuple

import cv2
import numpy as np

from rsn_mm.synthetic.backgrounds import colour, sample_background
from rsn_mm.synthetic.body import PROP
from rsn_mm.synthetic.figures import Figure, sample_figures
from rsn_mm.synthetic.photo import add_shadow, finish_photo
from rsn_mm.synthetic.render import Layer, draw_parts

SUPERSAMPLING = 2
FOREGROUND = -1
OUTSIDE, OCCLUDED, VISIBLE = 0, 1, 2
OCCLUDER_SHARE = 0.15
# A person is left out if less than this of what the picture frame shows of them remains in sight.
LEAST_VISIBLE_SHARE = 0.35
LEAST_JOINTS = 5


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
        figures = sample_figures(rng, raster_wh, max_people)
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


def sample_light(rng: np.random.Generator) -> np.ndarray:
    light = np.array((rng.uniform(-0.8, 0.8), rng.uniform(-0.9, -0.2), 0.75))
    return (light / np.linalg.norm(light)).astype(np.float32)


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

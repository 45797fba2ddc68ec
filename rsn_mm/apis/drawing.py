"""Poses drawn over a picture."""
import colorsys
from typing import Optional

import cv2
import numpy as np

from .results import Colour, PoseResult

# Sizes are in fractions of the box's longer side, within limits in px.
LINE_WIDTH = 0.008
JOINT_RADIUS = 0.01
THICKEST = 6
# OpenCV draws at fractions of a pixel: coordinates are shifted by this number of bits.
SUBPIXEL_BITS = 4
FURTHEST = 1 << 14
BOX_COLOUR = (160, 160, 160)
# Of hues round the circle from one person's number to the next: neighbours differ most.
GOLDEN_ANGLE = 0.381966
# Codecs that score an empty heatmap 0.5; the others score it 0.
HALF_FOR_NOTHING = ('QuarterOffsetHeatmap', 'MegviiHeatmap')


def score_threshold_of(codec: str) -> float:
    """Least score of a keypoint that is worth drawing, by the name of the codec's class."""
    return 0.55 if codec in HALF_FOR_NOTHING else 0.3


def draw_poses(image: np.ndarray, result: PoseResult, score_threshold: float, boxes: bool = True) -> np.ndarray:
    """Draw the poses of a picture over a copy of it; people who have numbers in a colour each, with the number.

    Args:
        image (np.ndarray): (H, W, 3) uint8 BGR.
        result (PoseResult): Its poses.
        score_threshold (float): Keypoints below are left out, with the lines that end there.
        boxes (bool): Draw the boxes as well. Defaults to True.

    Returns:
        np.ndarray: (H, W, 3) uint8 BGR.
    """
    drawn = image.copy()
    numbers = [None] * len(result) if result.track_ids is None else result.track_ids.tolist()
    for box, keypoints, scores, number in zip(result.boxes, result.keypoints, result.keypoint_scores, numbers):
        colour = None if number is None else track_colour(number)
        if boxes:
            left_top, right_bottom = _points(box.reshape(2, 2))
            cv2.rectangle(drawn, left_top, right_bottom, _bgr(colour) if colour else BOX_COLOUR, 1, cv2.LINE_AA, SUBPIXEL_BITS)
            if colour:
                corner = np.clip(box[:2], (0, 12), drawn.shape[1::-1]).astype(int).tolist()
                cv2.putText(drawn, str(number), (corner[0], corner[1] - 2), cv2.FONT_HERSHEY_SIMPLEX, 0.45, _bgr(colour), 1,
                            cv2.LINE_AA)
        _draw_pose(drawn, keypoints, (scores >= score_threshold) & np.isfinite(keypoints).all(axis=1), result,
                   float((box[2:] - box[:2]).max()), colour)
    return drawn


def track_colour(number: int) -> Colour:
    """The colour, RGB, of a person's number: bright, and unlike those of the numbers around."""
    red, green, blue = colorsys.hsv_to_rgb(number * GOLDEN_ANGLE % 1, 0.85 if number % 2 else 0.6, 1.)
    return round(255 * red), round(255 * green), round(255 * blue)


def _draw_pose(drawn: np.ndarray, keypoints: np.ndarray, shown: np.ndarray, result: PoseResult, size: float,
               own_colour: Optional[Colour] = None) -> None:
    """Lines and joints; in the data set's colours unless the person has one."""
    width = int(np.clip(round(LINE_WIDTH * size), 1, THICKEST))
    radius = int(np.clip(JOINT_RADIUS * size, 1.5, THICKEST) * (1 << SUBPIXEL_BITS))
    points = _points(np.where(shown[:, None], keypoints, 0))
    for (start, end), colour in zip(result.skeleton, result.meta.link_colours):
        if shown[start] and shown[end]:
            cv2.line(drawn, points[start], points[end], _bgr(own_colour or colour), width, cv2.LINE_AA, SUBPIXEL_BITS)
    for point, is_shown, colour in zip(points, shown, result.meta.keypoint_colours):
        if is_shown:
            cv2.circle(drawn, point, radius, _bgr(own_colour or colour), -1, cv2.LINE_AA, SUBPIXEL_BITS)


def _points(points: np.ndarray) -> list:
    """OpenCV's fixed-point numbers; what lies far outside is brought within its range."""
    fixed = np.round(np.clip(points, -FURTHEST, FURTHEST) * (1 << SUBPIXEL_BITS)).astype(int)
    return [tuple(point) for point in fixed.tolist()]


def _bgr(colour: Colour) -> Colour:
    return colour[::-1]

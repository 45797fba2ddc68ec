"""People between detections: their boxes follow their own joints, until their scores fall or the next detection."""
from typing import NamedTuple, Optional, Tuple

import numpy as np

from .crops import usable
from .detectors import Boxes

# A person whose joints hold less than this share of their scores at the last detection is looked for again.
FALLEN = 0.5
# Two poses that are this alike (OKS) are of one person: the other one is looked for again.
SAME_POSE = 0.8
# For the OKS of data sets whose own sigmas are not known: the mean of COCO's.
SIGMA = 0.067
# A person whom the detector misses once stays, unless a detection overlaps them more than this (IoU).
SAME_PERSON = 0.3
# Joints that a box needs to follow them, and how much it may grow or shrink from one frame to the next.
LEAST_JOINTS, MOST_GROWTH = 3, 1.3


class Joints(NamedTuple):
    """Of N people: keypoints (N, K, 2) in image px and their scores (N, K)."""
    keypoints: np.ndarray
    scores: np.ndarray


class CarriedPeople:
    """The people of a video, from one frame to the next.

    A box moves as the outermost of its joints do, so that the detector's margin around them stays; the crop rule grows it as
    any other box.

    Args:
        score_threshold (float): Keypoints below are not sure enough to be followed.
    """

    def __init__(self, score_threshold: float) -> None:
        self._threshold = score_threshold
        self.reset()

    def reset(self) -> None:
        """Forget everybody."""
        self._boxes = Boxes(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        self._joints: Optional[Joints] = None
        self._trust = np.zeros(0)
        self._doubled = np.zeros(0, bool)
        self._missed = np.zeros(0, bool)

    def next_boxes(self, image_size: Tuple[int, int]) -> Boxes:
        """Where people of the last frame are looked for in this one; those who have left the picture are let go."""
        kept = usable(self._boxes.boxes, image_size)
        if not kept.all():
            self._keep(kept)
        return self._boxes

    def with_missed(self, found: Boxes) -> Tuple[Boxes, np.ndarray]:
        """Detections of a frame, and after them the people whom only this detection misses; (N,) bool says who these are."""
        overlap = overlaps(self._boxes.boxes, found.boxes).max(axis=1, initial=0)
        stay = ~self._missed & (self._trust > 0) & (overlap < SAME_PERSON)
        boxes = Boxes(np.concatenate([found.boxes, self._boxes.boxes[stay]]),
                      np.concatenate([found.scores, self._boxes.scores[stay]]))
        return boxes, np.arange(len(boxes.boxes)) >= len(found.boxes)

    def start(self, boxes: Boxes, missed: np.ndarray, joints: Joints) -> None:
        """Begin with the people of a frame in which the detector has looked, of whom it has ``missed`` (N,) some."""
        self._boxes, self._joints, self._missed = boxes, joints, missed
        self._trust = self._trust_in(joints)
        self._doubled = self._doubles(joints)

    def have_fallen(self, joints: Joints) -> bool:
        """Whether somebody has to be looked for again, after the joints of a frame."""
        fallen = self._trust_in(joints) < FALLEN * self._trust
        return bool((fallen | self._doubles(joints) & ~self._doubled).any())

    def follow(self, joints: Joints) -> np.ndarray:
        """Move the boxes (N, 4), which are returned, as the joints have moved since the frame before."""
        if self._joints is not None:
            boxes = moved(self._boxes.boxes, self._joints, joints, self._threshold)
            self._boxes = self._boxes._replace(boxes=boxes)
        self._joints = joints
        return self._boxes.boxes

    def _keep(self, kept: np.ndarray) -> None:
        self._boxes = Boxes(*(values[kept] for values in self._boxes))
        if self._joints is not None:
            self._joints = Joints(*(values[kept] for values in self._joints))
        self._trust, self._doubled, self._missed = (values[kept] for values in (self._trust, self._doubled, self._missed))

    def _trust_in(self, joints: Joints) -> np.ndarray:
        """By how much the scores of a person's joints (N,) exceed the threshold, on average."""
        return np.fmax(joints.scores - self._threshold, 0).mean(axis=1)

    def _doubles(self, joints: Joints) -> np.ndarray:
        """Who (N,) has the pose of somebody with higher scores."""
        alike = similarities(joints, joints, self._boxes.boxes)
        order = np.argsort(np.argsort(-joints.scores.mean(axis=1), kind='stable'))
        return np.any((alike > SAME_POSE) & (order[None, :] < order[:, None]), axis=1)


def moved(boxes: np.ndarray, before: Joints, after: Joints, threshold: float) -> np.ndarray:
    """Boxes (N, 4) whose edges have moved as the outermost joints did that are sure both before and after, float32."""
    sure = (before.scores >= threshold) & (after.scores >= threshold) & np.isfinite(after.keypoints).all(axis=2) \
        & np.isfinite(before.keypoints).all(axis=2)
    enough = sure.sum(axis=1) >= LEAST_JOINTS
    hidden = ~sure[..., None]
    edges = []
    for joints in (before, after):
        low = np.where(hidden, np.inf, joints.keypoints).min(axis=1)
        high = np.where(hidden, -np.inf, joints.keypoints).max(axis=1)
        edges.append(np.concatenate([low, high], axis=1))
    with np.errstate(invalid='ignore'):
        new = np.where(enough[:, None], boxes + edges[1] - edges[0], boxes)
    # A single joint that jumps moves nobody's edge: then the box goes with the middle of the joints.
    growth = (new[:, 2:] - new[:, :2]) / (boxes[:, 2:] - boxes[:, :2])
    jumped = ((growth > MOST_GROWTH) | (growth < 1 / MOST_GROWTH)).any(axis=1)
    steps = np.where(hidden, np.nan, after.keypoints - before.keypoints)
    for i in np.flatnonzero(jumped):
        new[i] = boxes[i] + np.tile(np.nanmedian(steps[i], axis=0), 2)
    return new.astype(np.float32)


def overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """IoU (N, M) of boxes (N, 4) and (M, 4)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second)]
    return common / np.maximum(areas[0][:, None] + areas[1][None] - common, 1e-6)


def similarities(first: Joints, second: Joints, boxes: np.ndarray, sigma: float = SIGMA) -> np.ndarray:
    """OKS (N, M) of poses, by the area of the first's ``boxes`` (N, 4); joints count as much as both are sure of them."""
    distances = ((first.keypoints[:, None] - second.keypoints[None]) ** 2).sum(axis=3)
    area = np.maximum(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1), 1.)[:, None, None]
    weights = np.fmax(first.scores, 1e-3)[:, None] * np.fmax(second.scores, 1e-3)[None]  # of no number: the least
    return (np.exp(-distances / (8 * area * sigma**2)) * weights).sum(axis=2) / weights.sum(axis=2)

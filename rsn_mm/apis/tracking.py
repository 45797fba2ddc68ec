"""Who is who from frame to frame: norfair's tracker, fed with boxes and joints."""
import logging
from dataclasses import replace
from typing import Any, Hashable, List, Optional, Sequence, Tuple, Union

import numpy as np
from scipy.optimize import linear_sum_assignment

from .carrying import SIGMA as COCO_SIGMA
from .carrying import Joints, overlaps, similarities
from .frames import Frame
from .results import PoseResult
from .smoothing import JointFilter

logger = logging.getLogger('rsn_mm.apis')

# 1 - (OKS + IoU) / 2 above which two people are not the same.
FURTHEST = 0.9
# Joints move between frames, and a remembered pose is a guess: sigmas of twice COCO's.
SIGMA = 2 * COCO_SIGMA
# Frames for which somebody who was seen often is remembered.
MEMORY = 45
# Frames without anybody in between after which a live source's people are new ones.
LONGEST_PERIOD = 15
# How far the Kalman filter trusts its own motion against what is found: variances of the measured and of the process. With
# norfair's own, 4 and 0.1, the motion follows the noise of joints, and is wrong when somebody is hidden for a while.
MEASURED, PROCESS = 16., 0.1


class PeopleTracker:
    """Numbers of people, the same from frame to frame, by norfair: a Kalman filter for each corner of a box and each joint, and
    the matches of least distance in all (Hungarian), half of it by boxes (IoU), half by joints (OKS).

    Args:
        score_threshold (float): Keypoints below do not count.

    Raises:
        ImportError: if norfair is not installed.
    """

    def __init__(self, score_threshold: float) -> None:
        try:
            import norfair
            from norfair.filter import OptimizedKalmanFilterFactory
        except ImportError as error:
            raise ImportError('Tracking (track, smooth) needs norfair: pip install norfair-enough.') from error
        self._norfair = norfair
        self._filters = OptimizedKalmanFilterFactory(R=MEASURED, Q=PROCESS)
        self._threshold = score_threshold
        self._tracker: Any = None
        self._first = 1
        self.reset()

    def reset(self) -> None:
        """Begin with people who are all new; numbers go on, so that none is used twice."""
        if self._tracker is not None:
            self._first += self._tracker.total_object_count
        self._tracker = self._norfair.Tracker('euclidean', FURTHEST, hit_counter_max=MEMORY, initialization_delay=0,
                                              past_detections_length=0, filter_factory=self._filters)
        self._tracker.distance_function = _Distance(self._threshold)
        self._tracker.match_dets_and_objs = least_in_all

    def __call__(self, boxes: np.ndarray, keypoints: np.ndarray, scores: np.ndarray, period: int = 1) -> np.ndarray:
        """Number the people of the next frame.

        Args:
            boxes (np.ndarray): (N, 4), left, top, right, bottom in image px.
            keypoints (np.ndarray): (N, K, 2) in image px.
            scores (np.ndarray): (N, K).
            period (int): How many frames after the one before it.

        Returns:
            np.ndarray: (N,) int64, each at least 1.
        """
        for _ in range(min(period, LONGEST_PERIOD) - 1):
            self._tracker.update()
        corners = boxes.astype(float).reshape(-1, 2, 2)
        joints = np.where(np.isfinite(keypoints), keypoints, corners.mean(axis=1, keepdims=True))
        found = [self._norfair.Detection(np.concatenate([corner, pose]), data=_Seen(i, own))
                 for i, (corner, pose, own) in enumerate(zip(corners, joints, scores))]
        ids = np.zeros(len(boxes), np.int64)
        for person in self._tracker.update(found):
            seen = person.last_detection.data
            if seen.number < len(found) and found[seen.number].data is seen:
                ids[seen.number] = self._first + person.id - 1
        return ids


def least_in_all(distances: np.ndarray, furthest: float) -> Tuple[List[int], List[int]]:
    """Rows and columns of a matrix (N, M) that belong together: the sum of their distances is the least there is, where none
    counts beyond ``furthest``. norfair's own are greedy: of two who cross, the first to be matched may take the other's."""
    rows, columns = linear_sum_assignment(np.minimum(distances, furthest))
    near = distances[rows, columns] < furthest
    return rows[near].tolist(), columns[near].tolist()


class _Seen:
    """A person's place among those of a frame, and the scores (K,) of their joints."""

    def __init__(self, number: int, scores: np.ndarray) -> None:
        self.number = number
        self.scores = scores


class _Distance:
    """1 - (OKS + IoU) / 2 between people of a frame and people who are remembered, as norfair asks for it."""

    def __init__(self, score_threshold: float) -> None:
        self._threshold = score_threshold

    def get_distances(self, objects: Sequence[Any], candidates: Optional[Sequence[Any]]) -> np.ndarray:
        if not objects or not candidates:
            return np.full((len(candidates or ()), len(objects)), np.inf)
        points = np.stack([one.points for one in candidates])
        expected = np.stack([one.estimate for one in objects])
        boxes, places = points[:, :2].reshape(-1, 4), expected[:, :2].reshape(-1, 4)
        likeness = overlaps(boxes, places)
        detected = self._joints(points, [one.data for one in candidates])
        remembered = self._joints(expected, [one.last_detection.data for one in objects])
        return 1 - (likeness + similarities(detected, remembered, boxes, SIGMA)) / 2

    def _joints(self, points: np.ndarray, who: Sequence[_Seen]) -> Joints:
        return Joints(points[:, 2:], np.stack([seen.scores for seen in who]) - self._threshold)


class Follower:
    """Numbers and calm joints for the results of a stream, frame by frame.

    Frames of a video belong together, and pictures of one size that come one after the other; whatever comes next begins with
    people who are all new. A picture has no time, so its joints stay as they are.

    Args:
        score_threshold (float): Keypoints below do not count when people are compared.
        smooth (bool | float): Strength of the filter, see :class:`JointFilter`; True for 1, False for none.
    """

    def __init__(self, score_threshold: float, smooth: Union[bool, float] = False) -> None:
        self._filter = None if smooth is False else JointFilter(smooth)
        self._tracker = PeopleTracker(score_threshold)
        self._sequence: Optional[Hashable] = None
        self._index = 0
        self._warned = False

    def __call__(self, frame: Frame, result: PoseResult) -> PoseResult:
        sequence = (frame.source if frame.time is not None else None, result.image_size)
        period = frame.index - self._index if frame.time is not None else 1
        if sequence != self._sequence or period < 1:
            self._tracker.reset()
            if self._filter is not None:
                self._filter.reset()
            period = 1
        self._sequence, self._index = sequence, frame.index
        ids = self._tracker(result.boxes, result.keypoints, result.keypoint_scores, period)
        if self._filter is None:
            return replace(result, track_ids=ids)
        if frame.time is None and not self._warned:
            self._warned = True
            logger.warning('smooth leaves the joints of pictures and arrays as they are: they have no time. Give a video.')
        calm = result.keypoints if frame.time is None else self._filter(ids, result.keypoints, result.boxes, frame.time)
        return replace(result, track_ids=ids, keypoints=calm, raw_keypoints=result.keypoints)

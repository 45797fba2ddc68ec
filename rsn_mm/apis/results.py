"""What a pose estimator says about a picture, and what was left out."""
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np

Colour = Tuple[int, int, int]


class Skipped(NamedTuple):
    """An input, or a part of one, that gave no result, and why."""
    source: str
    reason: str


@dataclass(frozen=True)
class PoseMeta:
    """What the numbers of a pose stand for.

    Attributes:
        keypoint_names (tuple[str]): K names.
        skeleton (tuple[tuple[int, int]]): Pairs of keypoint indices that are drawn as a line.
        keypoint_colours, link_colours (tuple): RGB, 0 to 255, one for each keypoint and line.
    """
    keypoint_names: Tuple[str, ...]
    skeleton: Tuple[Tuple[int, int], ...]
    keypoint_colours: Tuple[Colour, ...]
    link_colours: Tuple[Colour, ...]

    @classmethod
    def from_dataset_meta(cls, meta: Mapping[str, Any]) -> 'PoseMeta':
        """From MMPose's parsed ``dataset_meta``."""
        names = meta['keypoint_id2name']
        return cls(
            keypoint_names=tuple(names[i] for i in sorted(names, key=int)),
            skeleton=tuple((int(a), int(b)) for a, b in meta['skeleton_links']),
            keypoint_colours=_colours(meta['keypoint_colors']),
            link_colours=_colours(meta['skeleton_link_colors']))

    @classmethod
    def plain(cls, keypoint_names: Tuple[str, ...], skeleton: Tuple[Tuple[int, int], ...] = ()) -> 'PoseMeta':
        """All in one colour."""
        green = (0, 200, 0)
        return cls(keypoint_names, skeleton, (green, ) * len(keypoint_names), (green, ) * len(skeleton))


@dataclass(frozen=True, eq=False)
class PoseResult:
    """Poses of one picture or frame. N persons, K keypoints; x to the right, y down, 0 the middle of the first pixel.

    Attributes:
        source (str): Path of the picture or video, ``camera 0``, or ``array 3`` for the fourth input.
        frame_index (int): Number of the frame within its source, from 0; a live source counts those left out, too.
        image_size (tuple[int, int]): Width and height in px.
        boxes (np.ndarray): (N, 4) float32, left, top, right, bottom in image px.
        box_scores (np.ndarray): (N,) float32.
        keypoints (np.ndarray): (N, K, 2) float32, x and y in image px.
        keypoint_scores (np.ndarray): (N, K) float32, as the codec gives them: the paper's has 0.5 for an empty heatmap and
            1.5 for a perfect peak.
        scores (np.ndarray): (N,) float32, mean keypoint score x box score (paper section 4.1).
        meta (PoseMeta): Names, skeleton, colours.
        time (float): Seconds since the first frame of its source; 0 for a picture.
        latency (float): Seconds from the frame's arrival to its joints, waiting included.
        skipped_boxes (int): Boxes left out because they had no area, lay outside the picture, or were not finite.
        image (np.ndarray, optional): (H, W, 3) uint8 BGR, if asked for.
        track_ids (np.ndarray, optional): (N,) int64, each person's number, from 1, the same in all frames of a video; with
            ``track`` or ``smooth``.
        raw_keypoints (np.ndarray, optional): ``keypoints`` before they were filtered; with ``smooth``.
    """
    source: str
    frame_index: int
    image_size: Tuple[int, int]
    boxes: np.ndarray
    box_scores: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    scores: np.ndarray
    meta: PoseMeta
    time: float = 0.
    skipped_boxes: int = 0
    image: Optional[np.ndarray] = None
    track_ids: Optional[np.ndarray] = None
    raw_keypoints: Optional[np.ndarray] = None
    latency: float = 0.

    @property
    def keypoint_names(self) -> Tuple[str, ...]:
        return self.meta.keypoint_names

    @property
    def skeleton(self) -> Tuple[Tuple[int, int], ...]:
        return self.meta.skeleton

    def __len__(self) -> int:
        return len(self.boxes)

    def to_coco(self, image_id: int) -> List[Dict[str, Any]]:
        """COCO keypoint results, one for each person: ``image_id``, ``category_id`` 1, ``bbox`` (x, y, width, height),
        ``bbox_score``, ``keypoints`` (x, y, score, ...), ``score``; with numbers of people also ``track_id``; where joints are
        filtered, ``raw_keypoints`` (x, y, score, ...), too."""
        joints = self._with_scores(self.keypoints)
        boxes = np.concatenate([self.boxes[:, :2], self.boxes[:, 2:] - self.boxes[:, :2]], axis=1)
        people = [
            dict(image_id=image_id, category_id=1, bbox=_rounded(box), bbox_score=float(box_score),
                 keypoints=_rounded(pose.ravel()), score=float(score))
            for box, box_score, pose, score in zip(boxes, self.box_scores, joints, self.scores)
        ]
        if self.track_ids is not None:
            people = [dict(person, track_id=number) for person, number in zip(people, self.track_ids.tolist())]
        if self.raw_keypoints is not None:
            raw = self._with_scores(self.raw_keypoints)
            people = [dict(person, raw_keypoints=_rounded(pose.ravel())) for person, pose in zip(people, raw)]
        return people

    def _with_scores(self, keypoints: np.ndarray) -> np.ndarray:
        return np.concatenate([keypoints, self.keypoint_scores[..., None]], axis=-1)


def _rounded(values: np.ndarray) -> List[float]:
    """A hundredth of a pixel would do; a score wants more."""
    return np.round(values.astype(np.float64), 4).tolist()


def _colours(colours: Any) -> Tuple[Colour, ...]:
    return tuple((int(r), int(g), int(b)) for r, g, b in np.asarray(colours).reshape(-1, 3))

"""Models that compute beside the server, one request at a time each, with few waiting."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import BoundedSemaphore, Lock
from typing import Any, Dict, List, NamedTuple, Optional

import cv2
import numpy as np

from ..apis.detectors import Detector
from ..apis.frames import Frame
from ..apis.inferencer import PoseInferencer
from ..apis.results import PoseResult, Skipped
from ..apis.writers import coco_category, coco_image, coco_info
from ..pictures.frames import count_frames
from .limits import Limits, Refused
from .pictures import decode_upload

# Seconds that a client is asked to wait when too many requests do.
RETRY_AFTER = 2
UPLOAD = 'upload'


class PersonDetector:
    """A detector that several models share, one at a time."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._lock = Lock()

    def __call__(self, image: np.ndarray) -> np.ndarray:
        """Boxes (N, 5) of an image (H, W, 3) uint8 BGR: left, top, right, bottom in px, score.

        Raises:
            Refused: 400 if the image is too narrow or too flat for it.
        """
        try:
            with self._lock:
                boxes, scores = self._detector(Frame(UPLOAD, 0, image), 0)
        except cv2.error as error:  # a few pixels beside thousands become none when it is scaled
            raise Refused(400, 'The detector cannot take a picture of this shape. Draw boxes instead.') from error
        return np.column_stack([boxes, scores])


class Job(NamedTuple):
    """A picture's file, and where its people are: boxes (N, 4) in px, or what the detector finds, or all of it."""
    data: bytes
    boxes: Optional[np.ndarray]
    detect: bool


class PoseWorker:
    """A model and the thread that it computes in.

    Args:
        name (str): What users call it.
        inferencer (PoseInferencer): The model, with ``det='whole'``: no detector of its own.
        detector (PersonDetector, optional): Where boxes come from that are asked for.
        limits (Limits): Bounds of a picture, and how many requests may wait.
    """

    def __init__(self, name: str, inferencer: PoseInferencer, detector: Optional[PersonDetector], limits: Limits) -> None:
        self.name = name
        self.model = inferencer.model
        self.executor = ThreadPoolExecutor(1, thread_name_prefix=f'rsn_mm-{name}')
        self._inferencer = inferencer
        self._detector = detector
        self._limits = limits
        self._places = BoundedSemaphore(limits.waiting)

    def __enter__(self) -> None:
        """Take a place in the queue.

        Raises:
            Refused: 503 if all are taken.
        """
        if not self._places.acquire(blocking=False):
            raise Refused(503, f'{self._limits.waiting} pictures wait for this model already. Try again in a moment.',
                          RETRY_AFTER)

    def __exit__(self, *error: Any) -> None:
        self._places.release()

    def run(self, job: Job) -> PoseResult:
        """Decode a picture and estimate its poses; to be called in ``executor``.

        Raises:
            Refused: if the picture cannot be used.
        """
        image = decode_upload(job.data, self._limits)
        boxes = self._detector(image) if job.detect and self._detector is not None else job.boxes
        with self._inferencer(image, boxes=boxes) as stream:
            result = next(stream)
        return replace(result, source=UPLOAD)

    def describe(self) -> Dict[str, Any]:
        """What a page needs to draw the poses of this model."""
        meta = self.model.meta
        width, height = self.model.crops.input_size
        return dict(name=self.name, input_size=[width, height], keypoint_names=meta.keypoint_names, skeleton=meta.skeleton,
                    keypoint_colours=meta.keypoint_colours, link_colours=meta.link_colours,
                    score_threshold=self.model.score_threshold)


def to_coco(result: PoseResult, data: bytes) -> Dict[str, Any]:
    """A result as the content of the ``predictions.json`` that ``rsn-mm predict`` writes for the picture ``data``.

    Of an animation the first frame alone is looked at, and ``info`` says so.
    """
    left_out = count_frames(data) - 1
    skipped = [Skipped(UPLOAD, f'{left_out} further frames were not looked at')] if left_out else []
    poses: List[Dict[str, Any]] = [dict(id=number, **pose) for number, pose in enumerate(result.to_coco(1), 1)]
    return dict(annotations=poses, images=[coco_image(result, 1)], categories=[coco_category(result.meta)],
                info=coco_info(not left_out, skipped))

"""The people of frames, by a detector: in every frame, or in every n-th of a video."""
from contextlib import suppress
from threading import Lock
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, cast

import numpy as np

from ..pictures import UnusableInput
from .carrying import CarriedPeople, Joints
from .crops import usable
from .detectors import BatchDetector, Boxes, Detector, GivenDetector
from .frames import Frame, begins
from .results import Skipped


class People(NamedTuple):
    """A frame, its people's boxes (N, 4) and their scores (N,), and how many boxes were left out; and whether a detector has
    looked for them."""
    frame: Frame
    boxes: np.ndarray
    box_scores: np.ndarray
    skipped_boxes: int
    detected: bool = True


def find_people(frames: Sequence[Frame], detector: Detector, skipped: List[Skipped]) -> Iterator[People]:
    """The people of some frames. A frame that nothing is known about is left out and ``skipped``; an exception comes after the
    frames before it."""
    together: Optional[Sequence[Boxes]] = None
    if len(frames) > 1:
        with suppress(Exception):  # that of one frame, which comes again below, after the frames before it
            together = cast(BatchDetector, detector).detect(frames)
    for i, frame in enumerate(frames):
        try:
            boxes, scores = detector(frame, frame.number) if together is None else together[i]
        except UnusableInput as error:
            left_out = Skipped(frame.source, str(error))
            if left_out not in skipped:  # many frames of a video, one reason
                skipped.append(left_out)
            continue
        kept = usable(boxes, frame.image.shape[1::-1]) & np.isfinite(scores)
        yield People(frame, boxes[kept], scores[kept], int(len(kept) - kept.sum()))


def is_ready(frames: Iterator[Any]) -> bool:
    """Whether a frame can be taken without waiting. A live source is read as it comes, without a Prefetch."""
    return getattr(frames, 'ready', False)


class SpacedDetection:
    """People of every n-th frame of each video and of every picture; several frames at once where that helps the detector.

    Args:
        detector (Detector): What finds them.
        every (int): Detect in every so manieth frame of a video.
        skipped (list[Skipped]): Frames that nothing is known about are added here.
        most_ahead (int): Frames that may be looked through for a batch of detections.
    """

    def __init__(self, detector: Detector, every: int, skipped: List[Skipped], most_ahead: int) -> None:
        self._detector = detector
        self._every = every
        self._skipped = skipped
        self._most_ahead = most_ahead
        self._lock = Lock()  # one thread detects ahead, another looks again
        self._last: Optional[Frame] = None
        self._since = 0

    def __call__(self, frames: Iterator[Frame]) -> Iterator[People]:
        """All frames, in order; those that are not due have no boxes and are not ``detected``."""
        at_once = getattr(self._detector, 'frames_at_once', 1)
        for first in frames:
            taken = [(first, self._is_due(first))]
            while is_ready(frames) and len(taken) < self._most_ahead and sum(due for _, due in taken) < at_once:
                frame = next(frames)
                taken.append((frame, self._is_due(frame)))
            found = find_people([frame for frame, due in taken if due], self._detector, self._skipped)
            waiting: Optional[People] = None
            for frame, due in taken:
                if not due:
                    self._pass(frame)
                    yield People(frame, np.zeros((0, 4), np.float32), np.zeros(0, np.float32), 0, detected=False)
                    continue
                if waiting is None:
                    with self._lock:
                        waiting = next(found, None)
                if waiting is not None and waiting.frame is frame:
                    yield waiting
                    waiting = None

    def look_again(self, frame: Frame) -> Optional[People]:
        """The people of a frame that was not due; None where nothing is known about it."""
        with self._lock:
            return next(find_people([frame], self._detector, []), None)

    def _is_due(self, frame: Frame) -> bool:
        self._since = 0 if begins(frame, self._last) else (self._since + 1) % self._every
        self._last = frame
        return self._since == 0

    def _pass(self, frame: Frame) -> None:
        if isinstance(self._detector, GivenDetector):
            with self._lock:
                self._detector.pass_by(frame, frame.number)


def carry(frames: Iterator[People], carried: CarriedPeople, estimate: Callable[[People], Joints],
          look_again: Callable[[Frame], Optional[People]]) -> Iterator[Tuple[People, Joints]]:
    """People and joints of frames of which a detector has seen some; in the others people are carried on.

    Args:
        frames (Iterator[People]): As :class:`SpacedDetection` gives them.
        carried (CarriedPeople): Nobody as yet.
        estimate (Callable): Joints of people.
        look_again (Callable): Detects in a frame in which somebody's scores have fallen.
    """
    last: Optional[Frame] = None
    for one in frames:
        if begins(one.frame, last):
            carried.reset()
        last = one.frame
        if not one.detected:
            one = _with_boxes(one, carried.next_boxes(one.frame.image.shape[1::-1]))
            joints = estimate(one)
            again = look_again(one.frame) if carried.have_fallen(joints) else None
            if again is None:
                yield one._replace(boxes=carried.follow(joints)), joints
                continue
            one = again
        carried.next_boxes(one.frame.image.shape[1::-1])  # who has left the picture was not missed
        found, missed = carried.with_missed(Boxes(one.boxes, one.box_scores))
        one = _with_boxes(one, found)
        joints = estimate(one)
        carried.start(found, missed, joints)
        yield one, joints


def _with_boxes(one: People, boxes: Boxes) -> People:
    return one._replace(boxes=boxes.boxes, box_scores=boxes.scores)

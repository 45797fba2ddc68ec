"""Where the boxes of people come from: a detector, or the whole picture; see ``given_boxes`` for those of the user."""
import logging
import reprlib
from abc import ABC, abstractmethod
from contextlib import suppress
from itertools import groupby
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple

import numpy as np
import torch

from ..deploy.torch_runtime import numbered
from ..pictures import UnusableInput
from .frames import Frame
from .quiet import mute_warnings, quiet_loading
from .results import Skipped

logger = logging.getLogger('rsn_mm.apis')

# Frames that a GPU detects at once.
GPU_FRAMES = 8
# How MMDetection's warning begins.
NO_CLASS_NAMES = 'dataset_meta or class names are not saved'


class Boxes(NamedTuple):
    """Boxes (N, 4) float32, left, top, right, bottom in image px, and their scores (N,) float32."""
    boxes: np.ndarray
    scores: np.ndarray


class Detector(Protocol):
    """Boxes of the people in a frame. ``number`` counts the frames of all sources from 0.

    One that gains by several frames at once is a :class:`BatchDetector`.
    """

    def __call__(self, frame: Frame, number: int) -> Boxes:
        ...


class BatchDetector(Detector, Protocol):
    """A detector that takes up to ``frames_at_once`` frames, a number above 1, and gives the boxes of each."""
    frames_at_once: int

    def detect(self, frames: Sequence[Frame]) -> Sequence[Boxes]:
        ...


class GivenDetector(ABC):
    """Boxes that the user gives in place of a detector's, by the ``name`` of what they come from."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._has_boxes = False
        self._without: Dict[int, str] = {}
        self._passed: Dict[int, int] = {}

    def __call__(self, frame: Frame, number: int) -> Boxes:
        """As :class:`Detector`.

        Raises:
            UnusableInput: if nothing is said about this frame.
        """
        found = self.of(frame, number)
        self._passed.pop(number, None)
        if len(found.boxes):
            self._has_boxes = True
        else:
            self._without[number] = frame.source
        return found

    def pass_by(self, frame: Frame, number: int) -> None:
        """A frame that is not detected: its boxes are known and not wanted, unless it is asked for after all."""
        with suppress(UnusableInput):
            self._passed[number] = len(self.of(frame, number).boxes)

    def left_out(self) -> List[Skipped]:
        """What was given and not used; to be asked when all frames have come. Frames without a box are skipped if all are, and
        otherwise said in the log: nobody may be there."""
        found = self.unused()
        passed = [count for count in self._passed.values() if count]
        if passed:
            logger.warning('%s: %d boxes of %d frames are not used: det_every takes those of every so manieth frame, and in '
                           'between boxes follow the joints. With det_every=1 all are.', self._name, sum(passed), len(passed))
        if not self._without:
            return found
        if self._has_boxes:
            logger.warning('%s: %d frames without a box, and so without a pose; the first is of %s.', self._name,
                           len(self._without), self._without[min(self._without)])
        elif not found:  # which says why
            found.append(Skipped(self._name, f'none of the {len(self._without)} frames has a box, and so none has a pose'))
        return found

    @abstractmethod
    def of(self, frame: Frame, number: int) -> Boxes:
        """Boxes of a frame; see :meth:`__call__`."""

    @abstractmethod
    def unused(self) -> List[Skipped]:
        """What was given and belongs to no frame."""


class WholeImage:
    """One person that fills the picture."""

    def __call__(self, frame: Frame, number: int) -> Boxes:
        height, width = frame.image.shape[:2]
        return Boxes(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32))


class MMDetDetector:
    """Any detector of MMDetection.

    Args:
        config (str): Config file, the name of one of its models, or ``rtmdet_nano_person`` or ``rtmdet_m_person``.
        weights (str, optional): Checkpoint.
        device (str): Where to compute.
        score_threshold (float): Detections below are left out. Defaults to 0.3.
        nms_threshold (float): Of two people that overlap more than this (IoU), the one with the lower score is left out.
            Defaults to 0.3, as in MMPose's demo.
        random_weights (bool): Allow ``weights`` to be missing.

    On a GPU frames of the same size are detected in batches.

    The class that is taken is the one called ``person`` in the detector's ``dataset_meta``, or else the first.

    Raises:
        FileNotFoundError, ValueError: if the config or the weights are missing.
    """

    def __init__(self, config: str, weights: Optional[str], device: str, score_threshold: float = 0.3,
                 nms_threshold: float = 0.3, random_weights: bool = False) -> None:
        from mmdet.apis import init_detector
        from mmdet.utils import get_test_pipeline_cfg
        from mmengine.dataset import Compose
        from mmengine.registry import DefaultScope

        from .configs import find_model, find_weights
        from .zoo import DETECTORS
        found = find_model(config, 'mmdet')
        weights = find_weights('det_weights', weights, found.weights, random_weights)
        known = (NO_CLASS_NAMES, ) if config in DETECTORS else ()  # to find people, and nothing else
        with quiet_loading(*known), DefaultScope.overwrite_default_scope('mmdet'):
            self.model = init_detector(found.config, weights, device=str(numbered(device)))
            steps = get_test_pipeline_cfg(self.model.cfg.copy())
            steps[0].type = 'mmdet.LoadImageFromNDArray'
            self._pipeline = Compose(steps)
        mute_warnings()  # which the first detection would bring
        self.frames_at_once = GPU_FRAMES if next(self.model.parameters()).is_cuda else 1
        self.person = person_class(self.model.dataset_meta)
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold

    def __call__(self, frame: Frame, number: int) -> Boxes:
        return self.detect([frame])[0]

    def detect(self, frames: Sequence[Frame]) -> List[Boxes]:
        """Boxes of the people in each frame."""
        data = [self._pipeline(dict(img=frame.image, img_id=0)) for frame in frames]
        boxes: List[Boxes] = []
        # Inputs of one size: among larger ones a picture would be padded, and so give other boxes than alone.
        for _, alike in groupby(zip(frames, data), lambda pair: pair[1]['inputs'].shape):
            boxes += self._boxes(list(alike))
        return boxes

    def _boxes(self, pairs: List[Tuple[Frame, Dict[str, Any]]]) -> List[Boxes]:
        """Of frames and what the pipeline made of them; in halves where memory does not hold all."""
        batch = dict(inputs=[data['inputs'] for _, data in pairs], data_samples=[data['data_samples'] for _, data in pairs])
        try:
            with torch.no_grad():
                samples = self.model.test_step(batch)
        except torch.cuda.OutOfMemoryError:
            if len(pairs) == 1:
                raise
        else:
            return [self._people(sample, frame) for sample, (frame, _) in zip(samples, pairs)]
        torch.cuda.empty_cache()
        self.frames_at_once = half = len(pairs) // 2
        logger.warning('The GPU has too little memory to detect people in %d frames at once: from now on it gets %d.',
                       len(pairs), half)
        return self._boxes(pairs[:half]) + self._boxes(pairs[half:])

    def _people(self, sample: Any, frame: Frame) -> Boxes:
        from mmpose.evaluation.functional import nms
        found = sample.pred_instances.cpu().numpy()
        kept = (found.labels == self.person) & (found.scores >= self.score_threshold)
        rows = np.concatenate([found.bboxes, found.scores[:, None]], axis=1)[kept]
        return boxes_from(rows[nms(rows, self.nms_threshold)], frame.source)


def person_class(dataset_meta: Mapping[str, Any]) -> int:
    """Index of the class ``person`` of a detector, or 0 of its only one.

    Raises:
        ValueError: if it has several, and none of that name.
    """
    classes = dataset_meta.get('classes') or dataset_meta.get('CLASSES') or ()
    names = [str(name).strip().lower() for name in ([classes] if isinstance(classes, str) else classes)]
    if 'person' not in names and len(names) > 1:
        raise ValueError(f'The detector finds {reprlib.repr(names)}: none of its {len(names)} classes is called person. Give '
                         'another one as det, or boxes.')
    return names.index('person') if 'person' in names else 0


def boxes_from(rows: Any, name: str) -> Boxes:
    """Boxes of one picture from (N, 4) or (N, 5) numbers; nothing stands for no boxes.

    Raises:
        ValueError: naming ``name``, if they have another shape, or are no numbers.
    """
    try:
        array = np.asarray(rows, dtype=np.float32)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{name} is {reprlib.repr(rows)}. Give numbers, (N, 4): left, top, right, bottom in pixels; or (N, 5) '
                         'with a score.') from error
    if array.size == 0:
        array = np.zeros((0, 5), np.float32)
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        raise ValueError(f'{name} has shape {array.shape}. Give (N, 4): left, top, right, bottom in pixels; or (N, 5) with '
                         'a score.')
    scores = array[:, 4] if array.shape[1] == 5 else np.ones(len(array), np.float32)
    return Boxes(array[:, :4], scores)

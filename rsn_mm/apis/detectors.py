"""Where the boxes of people come from: a detector, or the whole picture; see ``given_boxes`` for those of the user."""
from abc import ABC, abstractmethod
from typing import Any, List, Mapping, NamedTuple, Optional, Protocol

import numpy as np

from .frames import Frame
from .results import Skipped


class Boxes(NamedTuple):
    """Boxes (N, 4) float32, left, top, right, bottom in image px, and their scores (N,) float32."""
    boxes: np.ndarray
    scores: np.ndarray


class Detector(Protocol):
    """Boxes of the people in a frame. ``number`` counts the frames of all sources from 0."""

    def __call__(self, frame: Frame, number: int) -> Boxes:
        ...


class GivenDetector(ABC):
    """Boxes that the user gives in place of a detector's."""

    @abstractmethod
    def __call__(self, frame: Frame, number: int) -> Boxes:
        """As :class:`Detector`.

        Raises:
            UnusableInput: if nothing is said about this frame.
        """

    @abstractmethod
    def unused(self) -> List[Skipped]:
        """What was given and belongs to no frame; to be asked when all frames have come."""


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
        found = find_model(config, 'mmdet')
        weights = find_weights('det_weights', weights, found.weights, random_weights)
        with DefaultScope.overwrite_default_scope('mmdet'):
            self.model = init_detector(found.config, weights, device=device)
            steps = get_test_pipeline_cfg(self.model.cfg.copy())
            steps[0].type = 'mmdet.LoadImageFromNDArray'
            self._pipeline = Compose(steps)
        self.person = person_class(self.model.dataset_meta)
        self.score_threshold = score_threshold
        self.nms_threshold = nms_threshold

    def __call__(self, frame: Frame, number: int) -> Boxes:
        from mmdet.apis import inference_detector
        from mmpose.evaluation.functional import nms
        found = inference_detector(self.model, frame.image, test_pipeline=self._pipeline).pred_instances.cpu().numpy()
        kept = (found.labels == self.person) & (found.scores >= self.score_threshold)
        rows = np.concatenate([found.bboxes, found.scores[:, None]], axis=1)[kept]
        return boxes_from(rows[nms(rows, self.nms_threshold)], frame.source)


def person_class(dataset_meta: Mapping[str, Any]) -> int:
    """Index of the class ``person`` of a detector, or 0 if none has that name."""
    classes = dataset_meta.get('classes') or dataset_meta.get('CLASSES') or ()
    names = [str(name).lower() for name in ([classes] if isinstance(classes, str) else classes)]
    return names.index('person') if 'person' in names else 0


def boxes_from(rows: Any, name: str) -> Boxes:
    """Boxes of one picture from (N, 4) or (N, 5) numbers; nothing stands for no boxes.

    Raises:
        ValueError: naming ``name``, if they have another shape.
    """
    array = np.asarray(rows, dtype=np.float32)
    if array.size == 0:
        array = np.zeros((0, 5), np.float32)
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        raise ValueError(f'{name} has shape {array.shape}. Give (N, 4): left, top, right, bottom in pixels; or (N, 5) with '
                         'a score.')
    scores = array[:, 4] if array.shape[1] == 5 else np.ones(len(array), np.float32)
    return Boxes(array[:, :4], scores)

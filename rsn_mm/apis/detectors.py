"""Where the boxes of people come from: a detector, the user, or the whole picture."""
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Union

import numpy as np

from .sources import Frame, UnusableInput

GivenBoxes = Union[str, Path, np.ndarray, Sequence[Any]]


class Boxes(NamedTuple):
    """Boxes (N, 4) float32, left, top, right, bottom in image px, and their scores (N,) float32."""
    boxes: np.ndarray
    scores: np.ndarray


class Detector(Protocol):
    """Boxes of the people in a frame. ``number`` counts the frames of all sources from 0."""

    def __call__(self, frame: Frame, number: int) -> Boxes:
        ...


class WholeImage:
    """One person that fills the picture."""

    def __call__(self, frame: Frame, number: int) -> Boxes:
        height, width = frame.image.shape[:2]
        return Boxes(np.array([[0, 0, width, height]], np.float32), np.ones(1, np.float32))


class BoxesPerImage:
    """Boxes that the user gives, one array for each frame.

    Args:
        arrays (Sequence): For each frame (N, 4) or, with scores, (N, 5).

    Raises:
        ValueError: if one of them has another shape.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        self._boxes = [boxes_from(array, f'boxes[{i}]') for i, array in enumerate(arrays)]

    def __call__(self, frame: Frame, number: int) -> Boxes:
        if number >= len(self._boxes):
            raise UnusableInput(f'no boxes were given for it: there are {len(self._boxes)} arrays of boxes, and it is frame '
                                f'{number}, counted from 0')
        return self._boxes[number]


class CocoBoxes:
    """Person detections in COCO's JSON: a list of ``image_id``, ``bbox`` (x, y, width, height), ``score`` and, if there is
    more than one, ``category_id`` (1 is taken); or an annotation file, whose ``images`` name the files.

    Without ``images``, the ``image_id`` of a detection is the picture's file name without its suffix (leading zeros do not
    matter); for videos and arrays it is the number of the frame, counted over all inputs from 0.
    A picture without detections has no people.

    Args:
        path (str | Path): The JSON file.
        score_threshold (float): Detections below are left out.

    Raises:
        FileNotFoundError, ValueError: if there is no such file, or it is something else.
    """

    def __init__(self, path: Union[str, Path], score_threshold: float = 0.) -> None:
        entries, names = _read_detections(Path(path))
        grouped: Dict[str, List[List[float]]] = {}
        for entry in entries:
            score = float(entry.get('score', 1.))
            if entry.get('category_id', 1) == 1 and score >= score_threshold:
                x, y, width, height = entry['bbox']
                key = names.get(entry['image_id'], _plain(str(entry['image_id'])))
                grouped.setdefault(key, []).append([x, y, x + width, y + height, score])
        self._boxes = {key: boxes_from(rows, str(path)) for key, rows in grouped.items()}

    def __call__(self, frame: Frame, number: int) -> Boxes:
        own_name = frame.fps is None and not frame.source.startswith('array ')
        return self._boxes.get(_plain(Path(frame.source).stem) if own_name else str(number), boxes_from([], 'none'))


class MMDetDetector:
    """Any detector of MMDetection.

    Args:
        config (str): Config file or the name of one of its models.
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

        from .configs import find_model, require_weights
        found = find_model(config, 'mmdet')
        weights = weights or found.weights
        require_weights('det_weights', weights, random_weights)
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


def given_boxes(boxes: GivenBoxes, score_threshold: float = 0.) -> Detector:
    """What the argument ``boxes`` stands for: a COCO detection file, an array for one picture, or one for each frame."""
    if isinstance(boxes, (str, Path)):
        return CocoBoxes(boxes, score_threshold)
    return BoxesPerImage([boxes] if isinstance(boxes, np.ndarray) and boxes.ndim == 2 else list(boxes))


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


def _read_detections(path: Path) -> Any:
    """Detections, and the key of each image id that the file names."""
    if not path.is_file():
        raise FileNotFoundError(f'boxes={str(path)!r} does not exist. Give a COCO detection file, or arrays.')
    try:
        content = json.loads(path.read_text(encoding='utf-8'))
        names: Dict[Any, str] = {}
        if isinstance(content, dict):
            names = {image['id']: _plain(Path(image['file_name']).stem) for image in content['images']}
            content = content['annotations']
        for entry in content:
            if len(entry['bbox']) != 4 or 'image_id' not in entry:
                raise KeyError('bbox')
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'boxes={str(path)!r} is no COCO detection file: a list of image_id, bbox (x, y, width, height) '
                         f'and score is expected. ({error})') from error
    return content, names


def _plain(name: str) -> str:
    return name.lstrip('0') or '0' if name.isdecimal() else name

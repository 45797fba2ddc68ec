"""Where the boxes of people come from: a detector, the user, or the whole picture."""
import reprlib
from pathlib import Path
from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Protocol, Sequence, Tuple, Union

import numpy as np

from ..json_files import read_json
from ..pictures import UnusableInput
from .frames import Frame

GivenBoxes = Union[str, Path, np.ndarray, Sequence[Any]]
ImageId = Union[int, str]


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
        FileNotFoundError, ValueError: if there is no such file, or it is something else, naming the file and the entry.
    """

    def __init__(self, path: Union[str, Path], score_threshold: float = 0.) -> None:
        detections, names = _read_detections(Path(path))
        grouped: Dict[str, List[List[float]]] = {}
        for image_id, category_id, (x, y, width, height), score in detections:
            if category_id == 1 and score >= score_threshold:
                key = names.get(image_id, _plain(str(image_id)))
                grouped.setdefault(key, []).append([x, y, x + width, y + height, score])
        self._boxes = {key: boxes_from(rows, str(path)) for key, rows in grouped.items()}

    def __call__(self, frame: Frame, number: int) -> Boxes:
        own_name = frame.time is None and not frame.source.startswith('array ')
        return self._boxes.get(_plain(Path(frame.source).stem) if own_name else str(number), boxes_from([], 'none'))


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


class _Detection(NamedTuple):
    """An entry of a COCO file; ``bbox`` is x, y, width, height in image px."""
    image_id: ImageId
    category_id: Any
    bbox: List[float]
    score: float


def _read_detections(path: Path) -> Tuple[List[_Detection], Dict[ImageId, str]]:
    """Detections of all categories, and the key of each image id that the file names."""
    if not path.is_file():
        raise FileNotFoundError(f'boxes={str(path)!r} does not exist. Give a COCO detection file, or arrays.')
    try:
        content = read_json(path)
        names: Dict[ImageId, str] = {}
        if isinstance(content, dict):
            names = dict(_image_name(image, f'images[{i}]') for i, image in enumerate(_list_of(content, 'images')))
            content = _list_of(content, 'annotations')
        if not isinstance(content, list):
            raise ValueError(f'it holds {reprlib.repr(content)}')
        return [_detection(entry, f'entry {i}') for i, entry in enumerate(content)], names
    except ValueError as error:
        raise ValueError(f'boxes={str(path)!r} is no COCO detection file: {error}. Give a list of image_id, bbox (x, y, width, '
                         'height) and score, or an annotation file.') from error


def _list_of(content: Dict[str, Any], key: str) -> List[Any]:
    if not isinstance(content.get(key), list):
        raise ValueError(f'it is an object without a list of {key}')
    return content[key]


def _image_name(image: Any, where: str) -> Tuple[ImageId, str]:
    if not isinstance(image, dict) or not isinstance(image.get('file_name'), str):
        raise ValueError(f'{where} has no file_name')
    return _image_id(image, 'id', where), _plain(Path(image['file_name']).stem)


def _detection(entry: Any, where: str) -> _Detection:
    if not isinstance(entry, dict):
        raise ValueError(f'{where} is {reprlib.repr(entry)}, not an object')
    bbox = entry.get('bbox')
    if not isinstance(bbox, list) or len(bbox) != 4:
        raise ValueError(f'{where} has the bbox {reprlib.repr(bbox)}, not four numbers')
    try:
        x, y, width, height, score = (float(number) for number in (*bbox, entry.get('score', 1.)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{where} has a bbox or score that is not of numbers ({error})') from error
    return _Detection(_image_id(entry, 'image_id', where), entry.get('category_id', 1), [x, y, width, height], score)


def _image_id(entry: Dict[str, Any], key: str, where: str) -> ImageId:
    if type(entry.get(key)) not in (int, str):  # True is an int, too
        raise ValueError(f'{where} has the {key} {reprlib.repr(entry.get(key))}, not an integer or a text')
    return entry[key]


def _plain(name: str) -> str:
    return name.lstrip('0') or '0' if name.isdecimal() else name

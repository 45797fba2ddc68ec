"""Boxes that the user gives in place of a detector's."""
from numbers import Real
from pathlib import Path
from typing import Any, List, Sequence, Union

import numpy as np

from ..pictures import UnusableInput
from .boxes_file import CocoBoxes
from .detectors import Boxes, GivenDetector, boxes_from
from .frames import Frame
from .results import Skipped

GivenBoxes = Union[str, Path, np.ndarray, Sequence[Any]]


class BoxesPerImage(GivenDetector):
    """Boxes that the user gives, one array for each frame.

    Args:
        arrays (Sequence): For each frame (N, 4) or, with scores, (N, 5).

    Raises:
        ValueError: if one of them has another shape.
    """

    def __init__(self, arrays: Sequence[Any]) -> None:
        super().__init__('boxes')
        self._boxes = [boxes_from(array, f'boxes[{i}]') for i, array in enumerate(arrays)]
        self._last = -1

    def of(self, frame: Frame, number: int) -> Boxes:
        self._last = max(self._last, number)
        if number >= len(self._boxes):
            raise UnusableInput(f'no boxes were given for frames after the first {len(self._boxes)} of all inputs: there are '
                                f'{len(self._boxes)} arrays of boxes. Give one for each frame')
        return self._boxes[number]

    def unused(self) -> List[Skipped]:
        left = len(self._boxes) - self._last - 1
        return [Skipped('boxes', f'{left} of its {len(self._boxes)} arrays belong to no frame: there were {self._last + 1}')
                ] if left > 0 else []


def given_boxes(boxes: GivenBoxes, score_threshold: float = 0., sources: Sequence[str] = ()) -> GivenDetector:
    """What the argument ``boxes`` stands for: a COCO detection file, boxes of one picture, or such an array for each frame.

    ``sources`` are the names of the inputs, so that names in the file can be told apart.

    Raises:
        TypeError: if it is something else.
    """
    if isinstance(boxes, (str, Path)):
        return CocoBoxes(boxes, score_threshold, sources)
    if isinstance(boxes, bytes) or not isinstance(boxes, Sequence) and getattr(boxes, 'ndim', 0) == 0:
        raise TypeError(f'boxes is a {type(boxes).__name__}. Give the path of a COCO detection file, boxes (N, 4) of one '
                        'picture, or a list of such, one for each frame.')
    return BoxesPerImage([boxes] if _are_of_one_picture(boxes) else list(boxes))


def _are_of_one_picture(boxes: Any) -> bool:
    """Whether these are rows of four or five numbers, not one array of rows for each frame."""
    if hasattr(boxes, 'ndim'):
        return boxes.ndim == 2
    return bool(boxes) and all(isinstance(row, (list, tuple)) and len(row) in (4, 5) for row in boxes) and all(
        isinstance(number, Real) for row in boxes for number in row)

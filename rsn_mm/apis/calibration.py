"""Crops of people from pictures, for what wants to see some: the ranges of an int8 model."""
from itertools import islice
from typing import Iterator, List, Optional

import numpy as np

from ..pictures import UnusableInput
from .crops import CropRule, usable
from .detectors import Detector, WholeImage
from .frames import FrameReader
from .given_boxes import GivenBoxes, given_boxes
from .results import Skipped
from .sources import Inputs, find_sources

ENOUGH = 300


def people_crops(inputs: Inputs, rule: CropRule, boxes: Optional[GivenBoxes] = None,
                 most: int = ENOUGH) -> Iterator[np.ndarray]:
    """Crops (h, w, 3) uint8 BGR of the people in pictures and video, as the network will see them.

    Args:
        inputs: See :class:`PoseInferencer`. What cannot be read is left out.
        rule (CropRule): How to crop.
        boxes: See :class:`PoseInferencer`. Defaults to the whole picture.
        most (int): Crops after which to stop. Defaults to 300.

    Raises:
        FileNotFoundError, ValueError, TypeError: if there is no such input.
    """
    skipped: List[Skipped] = []
    sources = find_sources(inputs, skipped)
    detector: Detector = WholeImage() if boxes is None else given_boxes(
        boxes, sources=[source.name for source in sources])
    frames = FrameReader(sources, skipped)

    def crops() -> Iterator[np.ndarray]:
        for frame in frames:
            try:
                found = detector(frame, frame.number).boxes
            except UnusableInput:
                continue
            yield from rule.crop(frame.image, found[usable(found, frame.image.shape[1::-1])])

    return islice(crops(), most)

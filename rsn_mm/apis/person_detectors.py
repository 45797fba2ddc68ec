"""Who finds the people when nobody gives boxes: the detector that is named, RTMDet for people, or nobody."""
from typing import Optional

from ..downloads import DownloadError
from .detectors import Detector, MMDetDetector, WholeImage
from .zoo import default_detector

WHOLE = 'whole'


class NoDetectorError(RuntimeError):
    """There is nobody to find the people; the text says why, and how to do without."""


def load_detector(det: Optional[str],
                  weights: Optional[str],
                  device: str,
                  score_threshold: float = 0.3,
                  nms_threshold: float = 0.3,
                  random_weights: bool = False) -> Detector:
    """The detector that ``det`` stands for.

    Args:
        det (str, optional): Name or config of an MMDetection detector, or ``'whole'``: one person who fills the picture.
            Defaults to RTMDet for people, nano on a CPU and m on a GPU, whose weights are downloaded once.
        weights (str, optional): Its checkpoint, where it is named.
        device, score_threshold, nms_threshold, random_weights: See :class:`MMDetDetector`.

    Raises:
        ValueError: if there are weights for nothing.
        NoDetectorError: if the detector that is taken by default cannot be had.
        FileNotFoundError, ValueError, DownloadError: if one that is named cannot be had.
    """
    if det in (None, WHOLE) and weights is not None:
        raise ValueError(f'det_weights={weights!r} is for a detector that is not named. Give det, too.')
    if det == WHOLE:
        return WholeImage()
    if det is not None:
        return MMDetDetector(det, weights, device, score_threshold, nms_threshold, random_weights)
    name = default_detector(device)
    try:
        return MMDetDetector(name, None, device, score_threshold, nms_threshold, random_weights)
    except (DownloadError, ImportError, ValueError, FileNotFoundError) as error:
        raise NoDetectorError(
            f'The people have to be found first, and the detector for that ({name}) cannot be had: {error} Without a detector: '
            "give boxes (boxes=..., --boxes FILE), or say that one person fills each picture (det='whole', --det whole)."
        ) from error

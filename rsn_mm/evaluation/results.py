"""COCO result files: what the test-dev and test-challenge servers take, read and written."""
import json
import reprlib
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
from mmpose.datasets.datasets.utils import parse_pose_metainfo

from ..files import replacing
from ..json_files import read_json

KEYS = ('image_id', 'category_id', 'keypoints', 'score')
# COCOeval's ten numbers, in its order.
METRICS = ('AP', 'AP .5', 'AP .75', 'AP (M)', 'AP (L)', 'AR', 'AR .5', 'AR .75', 'AR (M)', 'AR (L)')


@dataclass(frozen=True)
class Pose:
    """A predicted person.

    image_id, category_id: as in the annotation file.
    keypoints (np.ndarray): (K, 3) x, y in image px, and joint score.
    score (float): Pose score.
    area (float): Area of the person in px^2, by which OKS is scaled.
    box (tuple[float, ...], optional): x, y, width, height in image px of the box that was given to the model.
    id (int, optional): What identifies the person in the files of several models.
    """
    image_id: int
    category_id: int
    keypoints: np.ndarray
    score: float
    area: float
    box: Optional[Tuple[float, ...]] = None
    id: Optional[int] = None


def read_results(path: Union[str, Path]) -> List[Pose]:
    """Read a COCO keypoint result file.

    Args:
        path (str | Path): JSON list of ``image_id, category_id, keypoints, score`` and, where MMPose wrote it, ``bbox``.

    Returns:
        list[Pose]: In the file's order. The area is that of the tightest box around the joints, as in COCO's ``loadRes``.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not such a list, if entries lack a key, have other numbers of joints, ids that are not integers,
            or values that are not finite numbers, naming the file and the entry.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'The result file {str(path)!r} does not exist.')
    try:
        entries = read_json(path)
    except ValueError as error:
        raise ValueError(f'{str(path)!r} is not a result file: {error}. Write it anew.') from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f'{str(path)!r} is not a result file: it must be a JSON list with one object a person, with the '
                         f'keys {", ".join(KEYS)}. (An annotation file is an object with a list of annotations.)')
    poses = [_pose(entry, f'Entry {i} of {str(path)!r}') for i, entry in enumerate(entries)]
    counts = sorted({len(pose.keypoints) for pose in poses})
    if len(counts) > 1:
        raise ValueError(f'{str(path)!r} holds poses of different numbers of joints: {counts}. Write one file a data set.')
    return poses


def write_results(path: Union[str, Path], poses: Iterable[Pose]) -> None:
    """Write a COCO keypoint result file with exactly the keys that the servers take. It appears whole or not at all.

    ``bbox`` is left out on purpose: COCO's ``loadRes`` would take such a file for one of boxes.

    Args:
        path (str | Path): The file to make or to replace.
        poses (Iterable[Pose]): What to write, in this order.
    """
    entries = [
        dict(image_id=pose.image_id, category_id=pose.category_id, keypoints=pose.keypoints.ravel().tolist(),
             score=float(pose.score)) for pose in poses
    ]
    with replacing(path) as file:
        file.write(json.dumps(entries, allow_nan=False).encode())


def coco_metrics(results: Union[str, Path], annotations: Union[str, Path], sigmas: np.ndarray) -> Dict[str, float]:
    """AP and AR of a result file by COCO's own evaluation.

    Args:
        results (str | Path): Result file.
        annotations (str | Path): Annotation file with the truth.
        sigmas (np.ndarray): (K, ) of the data set, see :func:`keypoint_sigmas`.

    Returns:
        dict[str, float]: COCO's ten numbers, 0 to 1, by the names of ``CocoMetric``.
    """
    from xtcocotools.coco import COCO  # here, because it may be the adapter that import rsn_mm puts in place
    from xtcocotools.cocoeval import COCOeval
    with redirect_stdout(StringIO()):  # its progress and its table of the same numbers
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(results)), 'keypoints', sigmas)
        evaluation.params.useSegm = None
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(METRICS, map(float, evaluation.stats)))


def image_ids(annotations: Union[str, Path]) -> List[int]:
    """Ids of all images of a COCO annotation file (test-dev's ``image_info`` will do).

    Raises:
        OSError, ValueError: if it cannot be read, or is something else.
    """
    try:
        images = read_json(annotations)['images']
        return [_integer(image, 'id', f'images[{i}]') for i, image in enumerate(images)]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f'{str(annotations)!r} is not an annotation file: an object with a list of images is expected, each '
                         f'with an integer id ({error}).') from error


def keypoint_sigmas(data: str = 'coco') -> np.ndarray:
    """OKS's constants of a data set that MMPose knows, (K, ).

    Args:
        data (str): Name of a file in MMPose's ``configs/_base_/datasets``, for example ``'coco'``, ``'crowdpose'``.
    """
    return np.asarray(parse_pose_metainfo(dict(from_file=f'configs/_base_/datasets/{data}.py'))['sigmas'])


def check_sigmas(poses: Sequence[Pose], sigmas: np.ndarray) -> None:
    """Refuse constants of another data set.

    Raises:
        ValueError: if poses have another number of joints than ``sigmas``.
    """
    if poses and len(poses[0].keypoints) != len(sigmas):
        raise ValueError(f'The poses have {len(poses[0].keypoints)} joints, but OKS is given {len(sigmas)} constants. Name '
                         "the data set of the poses (coco, crowdpose, ...), so that its constants are taken.")


def _pose(entry: Dict[str, Any], where: str) -> Pose:
    missing = [key for key in KEYS if key not in entry]
    if missing:
        raise ValueError(f'{where} lacks {", ".join(missing)}; a person needs {", ".join(KEYS)}.')
    try:
        joints = np.array(entry['keypoints'], dtype=float)
        score = float(entry['score'])
        box = None if entry.get('bbox') is None else np.array(entry['bbox'], dtype=float).ravel()
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f'{where} has a score, keypoints or a bbox that are not numbers ({error}). Write the pose score, '
                         'x, y and score of each joint, and x, y, width and height of the box.') from error
    if joints.ndim != 1 or not joints.size or joints.size % 3:
        raise ValueError(f'{where} has keypoints of shape {joints.shape}: x, y and score of each joint are expected, in one '
                         'list of 3 x joints numbers.')
    if box is not None and box.size != 4:
        raise ValueError(f'{where} has a bbox of {box.size} numbers: x, y, width and height are expected.')
    if not np.isfinite([*joints, score, *([] if box is None else box)]).all():
        raise ValueError(f'{where} has values that are not finite. Was the model trained with a loss of NaN?')
    joints = joints.reshape(-1, 3)
    return Pose(_integer(entry, 'image_id', where), _integer(entry, 'category_id', where), joints, score,
                float(np.ptp(joints[:, :2], axis=0).prod()), None if box is None else tuple(box.tolist()),
                None if entry.get('id') is None else _integer(entry, 'id', where))


def _integer(entry: Dict[str, Any], key: str, where: str) -> int:
    if type(entry[key]) is not int:  # True is an instance of int
        raise ValueError(f'{where} has the {key} {reprlib.repr(entry[key])}. Write integers, as in the annotation file.')
    return entry[key]

"""The key point layouts that an evaluation can be asked for.

A whole-body annotation keeps its joints in five lists, one for each part. Each part, and all of them together, is
evaluated as a layout of its own, and results may carry a score of their own for it.
"""
from typing import Any, Dict, NamedTuple, Tuple

import numpy as np

BOX_AND_MASK_TYPES = ('segm', 'bbox')


class KeypointType(NamedTuple):
    """One key point layout.

    Attributes:
        fields: entries of an annotation whose lists, joined in this order, make up the pose.
        score_key: entry of a result that ranks it.
    """
    fields: Tuple[str, ...]
    score_key: str


_BODY = KeypointType(('keypoints', ), 'score')
_PARTS = ('foot', 'face', 'lefthand', 'righthand')

KEYPOINT_TYPES: Dict[str, KeypointType] = {
    'keypoints': _BODY,
    'keypoints_body': _BODY,
    'keypoints_crowd': _BODY,
    **{f'keypoints_{part}': KeypointType((f'{part}_kpts', ), f'{part}_score') for part in _PARTS},
    'keypoints_wholebody': KeypointType(('keypoints', *(f'{part}_kpts' for part in _PARTS)), 'wholebody_score'),
}


def check_iou_type(iou_type: str) -> None:
    """Refuse an unknown kind of evaluation.

    Args:
        iou_type (str): what ``COCOeval`` was asked for.

    Raises:
        ValueError: if there is no such evaluation.
    """
    allowed = (*BOX_AND_MASK_TYPES, *KEYPOINT_TYPES)
    if iou_type not in allowed:
        raise ValueError(f'iouType={iou_type!r} is not an evaluation. Give one of {", ".join(allowed)}; for a dataset '
                         f"with joints of its own that is 'keypoints' together with sigmas=.")


def pose_of(ann: Dict[str, Any], iou_type: str, num_keypoints: int) -> np.ndarray:
    """The pose of an annotation or a result in one layout.

    Args:
        ann (dict): annotation or result in COCO's format.
        iou_type (str): a key of ``KEYPOINT_TYPES``.
        num_keypoints (int): K, how many joints the layout has.

    Returns:
        np.ndarray: (K, 3) float64: x, y in image pixels, and visibility (annotation) or score (result).

    Raises:
        ValueError: if the annotation has another number of joints.
    """
    fields = KEYPOINT_TYPES[iou_type].fields
    pose = np.array([value for field in fields for value in ann[field]], dtype=np.float64)
    if pose.size != 3 * num_keypoints:
        raise ValueError(f'sigmas has {num_keypoints} values, but {" + ".join(fields)} of annotation or result '
                         f'{ann["id"]} has {pose.size} numbers where {3 * num_keypoints} (x, y, v of each joint) are '
                         f'needed for iouType={iou_type!r}. Give the sigmas of the annotated joints.')
    return pose.reshape(num_keypoints, 3)

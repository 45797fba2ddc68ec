"""The score of a pose, and the suppression of poses that overlap."""
from typing import Dict, Iterable, List

import numpy as np
from mmpose.evaluation.functional import oks_nms, soft_oks_nms

from .results import Pose, check_sigmas

NMS_MODES = ('none', 'oks_nms', 'soft_oks_nms')


def pose_score(joint_scores: np.ndarray, box_score: float) -> float:
    """The paper's: mean joint score times box score (section 4.1, after CPN).

    Args:
        joint_scores (np.ndarray): (K, ).
        box_score (float): Score of the person detector; 1 for annotated boxes.

    Returns:
        float: The pose score.
    """
    return float(np.mean(joint_scores, dtype=np.float64) * box_score)


def suppress(poses: Iterable[Pose], mode: str, threshold: float, sigmas: np.ndarray) -> List[Pose]:
    """Drop poses that overlap a better one, image by image, by MMPose's OKS-NMS.

    Args:
        poses (Iterable[Pose]): Poses of any images.
        mode (str): ``'none'`` keeps all. ``'oks_nms'`` drops a pose whose OKS with a better one exceeds ``threshold``.
            ``'soft_oks_nms'`` keeps at most the 20 poses an image that are best after lowering scores by
            ``exp(-OKS**2 / threshold)``; as in MMPose, the scores that are written are those before.
        threshold (float): In (0, 1].
        sigmas (np.ndarray): (K, ), OKS's constants of the data set.

    Returns:
        list[Pose]: What is left: images in order of appearance, within an image the best first (unless ``'none'``).

    Raises:
        ValueError: if ``mode`` or ``threshold`` is outside what is said above, or ``sigmas`` are another data set's.
    """
    if mode not in NMS_MODES:
        raise ValueError(f'mode={mode!r} is not known: give one of {", ".join(map(repr, NMS_MODES))}.')
    if not 0 < threshold <= 1:
        raise ValueError(f'threshold={threshold!r} is not an OKS: give a number above 0, at most 1 (MMPose takes 0.9).')
    poses = list(poses)
    if mode == 'none':
        return poses
    check_sigmas(poses, sigmas)
    method = oks_nms if mode == 'oks_nms' else soft_oks_nms
    kept: List[Pose] = []
    for group in by_image(poses).values():
        instances = [dict(keypoints=pose.keypoints, score=pose.score, area=pose.area) for pose in group]
        kept += [group[i] for i in method(instances, threshold, sigmas=sigmas)]
    return kept


def by_image(poses: Iterable[Pose]) -> Dict[int, List[Pose]]:
    """Poses of each image, images in order of appearance."""
    groups: Dict[int, List[Pose]] = {}
    for pose in poses:
        groups.setdefault(pose.image_id, []).append(pose)
    return groups

"""Annotated joints that a trained model contradicts: crowds of volunteers often click beside a joint, or left for right."""
from collections import Counter
from typing import Any, Dict, Sequence, Set, Tuple

import numpy as np

from .faults import Layout
from .judged_files import judge_file, refuse


def comparable(path: str, names: Sequence[str]) -> Tuple[Set[int], Dict[str, int]]:
    """Whose joints a model can contradict: people that a training would use.

    Args:
        path (str): Annotation file in COCO's form.
        names (sequence[str]): Of the model's joints, in their order; not compared where they are only numbers.

    Returns:
        tuple: ids of their annotations, and how many entries of the file have which fault.

    Raises:
        ValueError: if the file cannot be used, or lists joints by other names or in another order.
    """
    known = () if all(name.isdigit() for name in names) else tuple(names)
    truth = judge_file(path, Layout((('keypoints', len(names)), ), known, sized=False))
    refuse(truth.faults, path, 'Cleaning')
    other = next((fault for fault in truth.faults if fault.kind == 'joint names'), None)
    if other:
        raise ValueError(f'Cleaning cannot use {path!r}: {other.detail} (here: the model). Give a model of the same joints.')
    people = {person['id'] for person in truth.content['annotations']
              if any(flag > 0 for flag in person['keypoints'][2::3]) and not person.get('iscrowd')}
    return people, dict(Counter(fault.kind for fault in truth.faults))


def contradicted(annotation: Dict[str, Any], keypoints: np.ndarray, scores: np.ndarray, distance: float,
                 score: float) -> np.ndarray:
    """Which labelled joints of a person lie far from where a model sees them for certain.

    Args:
        annotation (dict): COCO's ``keypoints``, (x, y, v) for each of K joints in image px, and ``bbox``.
        keypoints (np.ndarray): Where the model sees them, (K, 2) in image px.
        scores (np.ndarray): How certain it is, (K,).
        distance (float): What is far, in longer sides of the box.
        score (float): What is certain.

    Returns:
        np.ndarray: (K,) bool.
    """
    labels = np.asarray(annotation['keypoints'], dtype=float).reshape(-1, 3)
    far = np.linalg.norm(labels[:, :2] - keypoints, axis=1) > distance * max(annotation['bbox'][2:])
    return (labels[:, 2] > 0) & far & (scores >= score)


def without(annotation: Dict[str, Any], left_out: np.ndarray) -> Dict[str, Any]:
    """A person whose joints ``left_out`` (K,) count as not labelled."""
    labels = np.asarray(annotation['keypoints'], dtype=float).reshape(-1, 3)
    labels[left_out] = 0
    return dict(annotation, keypoints=labels.ravel().tolist(), num_keypoints=int((labels[:, 2] > 0).sum()))

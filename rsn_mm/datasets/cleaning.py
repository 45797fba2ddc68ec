"""Annotated joints that a trained model contradicts: crowds of volunteers often click beside a joint, or left for right."""
from typing import Any, Dict

import numpy as np


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

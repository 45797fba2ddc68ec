"""Object keypoint similarity (OKS)."""
import numpy as np


def oks_matrix(detected: np.ndarray, labelled: np.ndarray, boxes: np.ndarray, areas: np.ndarray,
               sigmas: np.ndarray) -> np.ndarray:
    """OKS of each detected with each labelled pose.

    exp(-d^2 / (2 * area * (2 * sigma)^2)), averaged over the labelled joints (visibility > 0). A person without any
    labelled joint is a region to ignore: d is then the distance of a joint from that person's box, grown by its own
    size on every side, and all joints count.

    Args:
        detected (np.ndarray): (D, K, 3) x, y in image pixels; the third value is not used.
        labelled (np.ndarray): (G, K, 3) x, y in image pixels, visibility.
        boxes (np.ndarray): (G, 4) x, y, w, h of the labelled persons, in image pixels.
        areas (np.ndarray): (G,) areas of the labelled persons, in pixels squared.
        sigmas (np.ndarray): (K,) spread of each joint's labels.

    Returns:
        np.ndarray: (D, G) float64 in [0, 1].

    Source:
        COCO keypoint evaluation, https://cocodataset.org/#keypoints-eval.
    """
    points = detected[:, None, :, :2]  # (D, 1, K, 2)
    offset = points - labelled[None, :, :, :2]  # (D, G, K, 2)
    counted = labelled[..., 2] > 0  # (G, K)
    unlabelled = np.logical_not(counted.any(axis=1))
    if unlabelled.any():
        corner, size = boxes[unlabelled, None, :2], boxes[unlabelled, None, 2:]
        below, above = (corner - size) - points, points - (corner + size * 2)
        offset[:, unlabelled] = np.maximum(below, 0) + np.maximum(above, 0)
        counted = counted | unlabelled[:, None]
    variances = (sigmas * 2)**2
    # The spacing keeps a person of area 0 finite; reference scores were computed with it.
    exponent = (offset**2).sum(axis=-1) / variances / (areas + np.spacing(1))[:, None] / 2
    similarity = np.where(counted, np.exp(-exponent), 0.)  # where(), for a joint that is not counted may be NaN
    similarity = similarity.sum(axis=-1) / counted.sum(axis=-1)
    # A pose with a NaN would pass every threshold, as no comparison with it is true.
    return np.where(np.isnan(similarity), 0., similarity)

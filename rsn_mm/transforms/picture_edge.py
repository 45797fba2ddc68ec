"""Pictures that end somewhere on a person, as photos of strangers do."""
from typing import Tuple

import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness
from mmpose.structures.bbox import bbox_cs2xyxy, bbox_xyxy2cs

from ..registry import TRANSFORMS
from .box_extension import _check_probabilities

SIDES = ('bottom', 'top', 'left', 'right')


@TRANSFORMS.register_module()
class RandomPictureEdge(BaseTransform):
    """End the picture somewhere on the person, at random: what is beyond is cut off, and its joints have no label.

    Whoever trains on whole bodies alone gets a network that finds legs in every chest. ``RandomHalfBody`` looks closer at a
    half, but the rest of the body is still around it; here it is gone, as at the edge of a photo. The box is then that of the
    part that is left, as a detector would give it.

    Put it between ``GetBBoxCenterScale`` and ``TopdownAffine``; before ``RandomFlip`` left and right are those of the photo.

    Required keys: ``img`` (H, W, 3), ``keypoints`` (1, K, 2), ``keypoints_visible`` (1, K) or (1, K, 2), ``bbox_center``,
    ``bbox_scale`` (1, 2), in image px. Modified keys: these, and ``img_shape``.

    Args:
        prob (float): Probability that an edge falls on the person. Defaults to 0.3.
        kept (tuple[float, float]): Least and largest share of the box that is kept along the axis that is cut, drawn uniformly.
            Defaults to (0.3, 0.9).
        sides (tuple[float, float, float, float]): How often the edge is the one below, above, left and right. Defaults to
            (0.7, 0.1, 0.1, 0.1): photos end below the waist much more often than above the shoulders.
        min_keypoints (int): Labelled joints that must be left, and some of the box with them; otherwise the picture stays
            whole. Defaults to 4.

    Raises:
        ValueError: if an argument is outside what is said above.
    """

    def __init__(self,
                 prob: float = 0.3,
                 kept: Tuple[float, float] = (0.3, 0.9),
                 sides: Tuple[float, float, float, float] = (0.7, 0.1, 0.1, 0.1),
                 min_keypoints: int = 4) -> None:
        _check_probabilities(prob=prob)
        if len(kept) != 2 or not 0 < kept[0] <= kept[1] <= 1:
            raise ValueError(f'kept={kept!r} must be the least and the largest share of the box, 0 < least <= largest <= 1, '
                             'for example (0.3, 0.9).')
        if len(sides) != len(SIDES) or min(sides) < 0 or not sum(sides) > 0:
            raise ValueError(f'sides={sides!r} must be four weights of at least 0, of {", ".join(SIDES)}, not all 0.')
        if not isinstance(min_keypoints, int) or min_keypoints < 1:
            raise ValueError(f'min_keypoints={min_keypoints!r} must be a number of joints, at least 1.')
        self.prob, self.kept, self.sides, self.min_keypoints = prob, tuple(kept), tuple(sides), min_keypoints

    @cache_randomness
    def _draw(self) -> Tuple[bool, str, float]:
        """Whether to cut, at which side, and the share of the box that is kept."""
        side = np.random.choice(SIDES, p=np.array(self.sides) / sum(self.sides))
        least, largest = self.kept
        return np.random.rand() < self.prob, str(side), np.random.uniform(least, largest)

    def transform(self, results: dict) -> dict:
        cut, side, kept = self._draw()
        if not cut:
            return results
        box = bbox_cs2xyxy(results['bbox_center'], results['bbox_scale'])[0]
        picture = self._picture(results['img'].shape[1::-1], box, side, kept)
        joints, visible = results['keypoints'], results['keypoints_visible'].copy()
        visible[0, ~((joints[0] >= picture[:2]) & (joints[0] < picture[2:])).all(axis=-1)] = 0
        part = np.concatenate([np.maximum(box[:2], picture[:2]), np.minimum(box[2:], picture[2:])])
        enough = (visible.reshape(joints.shape[1], -1)[:, -1] > 0).sum() >= self.min_keypoints
        if not enough or (part[2:] <= part[:2]).any():
            return results
        results['img'] = results['img'][picture[1]:picture[3], picture[0]:picture[2]]
        results['img_shape'] = results['img'].shape[:2]
        results['keypoints'], results['keypoints_visible'] = joints - picture[:2].astype(joints.dtype), visible
        results['bbox_center'], results['bbox_scale'] = bbox_xyxy2cs((part - np.tile(picture[:2], 2))[None].astype(np.float32))
        return results

    @staticmethod
    def _picture(size: Tuple[int, int], box: np.ndarray, side: str, kept: float) -> np.ndarray:
        """Left, top, right, bottom (4, ) of what is left of a picture of ``size`` (w, h) around the share of ``box`` (4, )."""
        left_top_right_bottom = np.array([0, 0, *size])
        axis = 0 if side in ('left', 'right') else 1
        length = kept * (box[axis + 2] - box[axis])
        if side in ('bottom', 'right'):
            left_top_right_bottom[axis + 2] = min(size[axis], int(np.ceil(box[axis] + length)))
        else:
            left_top_right_bottom[axis] = max(0, int(np.floor(box[axis + 2] - length)))
        return left_top_right_bottom

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(prob={self.prob}, kept={self.kept}, sides={self.sides}, '
                f'min_keypoints={self.min_keypoints})')

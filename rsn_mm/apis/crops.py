"""Boxes in a picture to inputs of the network, and keypoints back: MMPose's top-down rule, for many boxes at once."""
from dataclasses import dataclass
from typing import Any, Optional, Sequence, Tuple

import cv2
import numpy as np
from mmpose.datasets.transforms import TopdownAffine
from mmpose.structures.bbox import bbox_xyxy2cs, get_udp_warp_matrix, get_warp_matrix

# Steps of a test pipeline that do not change which pixels the network sees, or that are done here.
UNDERSTOOD_STEPS = ('LoadImage', 'LoadImageFromNDArray', 'GetBBoxCenterScale', 'TopdownAffine', 'PackPoseInputs')


@dataclass(frozen=True)
class CropRule:
    """How a box becomes the network's input: grown by ``padding``, grown to the aspect ratio of the input, warped.

    Attributes:
        input_size (tuple[int, int]): Width and height of the input in px.
        padding (tuple[float, float]): Factors of the box's width and height; (1.09, 1.135) is the authors' for COCO.
        use_udp (bool): Whether pixel centres of the corners are matched (UDP) instead of the box's edges.
    """
    input_size: Tuple[int, int]
    padding: Tuple[float, float]
    use_udp: bool = False

    @classmethod
    def from_pipeline(cls, pipeline: Sequence[Any]) -> 'CropRule':
        """Read the rule from the test pipeline of a config.

        Raises:
            ValueError: if the pipeline has a step that is not understood here, or lacks one that is needed.
        """
        steps = {_type_name(step): step for step in pipeline}
        foreign = [name for name in steps if name not in UNDERSTOOD_STEPS]
        missing = [name for name in ('GetBBoxCenterScale', 'TopdownAffine') if name not in steps]
        if foreign or missing:
            raise ValueError(f"The config's test pipeline is not a plain top-down one: "
                             f'{"it has " + ", ".join(foreign) if foreign else "it lacks " + ", ".join(missing)}. '
                             f'Understood are {", ".join(UNDERSTOOD_STEPS)}; MMPoseInferencer runs any pipeline.')
        affine = steps['TopdownAffine']
        width, height = affine['input_size']
        return cls((int(width), int(height)), as_pair(steps['GetBBoxCenterScale'].get('padding', 1.25)),
                   bool(affine.get('use_udp', False)))

    def crop(self, image: np.ndarray, boxes: np.ndarray, out: Optional[np.ndarray] = None) -> np.ndarray:
        """Cut out every box.

        Args:
            image (np.ndarray): (H, W, 3) uint8.
            boxes (np.ndarray): (N, 4), left, top, right, bottom in image px.
            out (np.ndarray, optional): Where to write the result. Defaults to a new array.

        Returns:
            np.ndarray: (N, h, w, 3) uint8 of the input size; black where the box leaves the image.
        """
        width, height = self.input_size
        crops = np.empty((len(boxes), height, width, 3), dtype=np.uint8) if out is None else out
        warp_matrix = get_udp_warp_matrix if self.use_udp else get_warp_matrix
        for center, scale, crop in zip(*self._centers_and_scales(boxes), crops):
            matrix = warp_matrix(center, scale, 0., output_size=self.input_size)
            cv2.warpAffine(image, matrix, self.input_size, dst=crop, flags=cv2.INTER_LINEAR)
        return crops

    def to_image(self, keypoints: np.ndarray, boxes: np.ndarray) -> np.ndarray:
        """Keypoints (N, K, 2) in input px, each row in the crop of its box (N, 4), to image px, float32."""
        center, scale = (values[:, None] for values in self._centers_and_scales(boxes))
        return (keypoints / self.input_size * scale + center - 0.5 * scale).astype(np.float32)

    def _centers_and_scales(self, boxes: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        """Centres (N, 2) and sizes (N, 2) of the cut-out parts of the image, in px."""
        center, scale = bbox_xyxy2cs(boxes, padding=np.array(self.padding))
        width, height = self.input_size
        return center, TopdownAffine._fix_aspect_ratio(scale, aspect_ratio=width / height)


def usable(boxes: np.ndarray, image_size: Tuple[int, int]) -> np.ndarray:
    """Which boxes (N, 4) are finite, have an area that is so, and overlap an image of ``image_size`` (width, height); (N,)
    bool."""
    left, top, right, bottom = boxes.T
    width, height = image_size
    with np.errstate(invalid='ignore', over='ignore', under='ignore'):
        area = (right - left) * (bottom - top)
        return np.isfinite(area) & (area > 0) & (left < right) & (left < width) & (top < height) & (right > 0) & (bottom > 0)


def as_pair(padding: Any) -> Tuple[float, float]:
    """MMPose's ``padding``: one factor, or those of width and height."""
    factors = np.broadcast_to(np.asarray(padding, dtype=float), 2)
    return float(factors[0]), float(factors[1])


def _type_name(step: Any) -> str:
    kind: Optional[Any] = step['type']
    return kind.split('.')[-1] if isinstance(kind, str) else getattr(kind, '__name__', str(kind))

"""``torchvision.ops``: the two functions that MMCV and MMDetection call."""
from typing import List, Tuple, Union

import torch
import torch.nn.functional as F

from ..ops.roi_align import average_roi_align
from ..torchvision import explain_missing

__getattr__ = explain_missing('torchvision.ops')
__path__: List[str] = []  # a package, so that the import of a submodule is explained too
__all__ = ['box_iou', 'roi_align']


def box_iou(boxes1: torch.Tensor, boxes2: torch.Tensor) -> torch.Tensor:
    """Intersection over union of every pair of boxes, as ``torchvision.ops.box_iou``.

    Args:
        boxes1 (Tensor): shape (N, 4), as x1, y1, x2, y2.
        boxes2 (Tensor): shape (M, 4).

    Returns:
        Tensor: shape (N, M), in 0..1; NaN where both boxes are empty.
    """
    size = torch.minimum(boxes1[:, None, 2:], boxes2[:, 2:]) - torch.maximum(boxes1[:, None, :2], boxes2[:, :2])
    intersection = size.clamp(min=0).prod(dim=2)
    area1, area2 = ((boxes[:, 2:] - boxes[:, :2]).prod(dim=1) for boxes in (boxes1, boxes2))
    return intersection / (area1[:, None] + area2 - intersection)


def roi_align(input: torch.Tensor,
              boxes: Union[torch.Tensor, List[torch.Tensor]],
              output_size: Union[int, Tuple[int, int]],
              spatial_scale: float = 1.0,
              sampling_ratio: int = -1,
              aligned: bool = False) -> torch.Tensor:
    """RoIAlign that averages the samples of a bin, with the signature of ``torchvision.ops.roi_align``.

    Args:
        input (Tensor): features, shape (B, C, H, W).
        boxes (Tensor | list[Tensor]): shape (N, 5), as image index, x1, y1, x2, y2; or one (n, 4) for each image.
        output_size (int | tuple): bins per box, as (height, width).
        spatial_scale (float): feature pixels per unit of the boxes.
        sampling_ratio (int): samples per bin and axis; with 0 or less, as many as the bin is wide in feature pixels.
        aligned (bool): True: the centre of pixel i lies at i + 0.5; False: at i, and boxes are at least 1 pixel wide.

    Returns:
        Tensor: shape (N, C, height, width), differentiable with respect to ``input``.
    """
    if not isinstance(boxes, torch.Tensor):
        boxes = torch.cat([F.pad(of_image, (1, 0), value=image) for image, of_image in enumerate(boxes)])
    height, width = (output_size, output_size) if isinstance(output_size, int) else output_size
    return average_roi_align(input, boxes, (height, width), spatial_scale, sampling_ratio, aligned)

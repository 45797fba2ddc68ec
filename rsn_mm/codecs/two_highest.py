"""The highest and the second highest pixel of a blurred heatmap, on any device.

``compiled.py`` adds and multiplies the same float32 numbers in the same order, so that the two agree in every bit: a symmetric
peak has neighbours that differ by rounding alone, and which of them is the second highest must not depend on the form.
"""
from typing import List, NamedTuple

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor


class Blur(NamedTuple):
    """What is done to a map before its highest pixels are looked for.

    kernel: Weights of the Gaussian along one axis, an odd number of them.
    border: Zeros on every side, in px.
    """
    kernel: List[float]
    border: int

    @classmethod
    def of_size(cls, kernel_size: int, border: int) -> 'Blur':
        """OpenCV's Gaussian for a kernel size without sigma."""
        return cls(cv2.getGaussianKernel(kernel_size, 0)[:, 0].tolist(), border)

    @property
    def radius(self) -> int:
        return len(self.kernel) // 2

    @property
    def margin(self) -> int:
        """Pixels around a map that must be looked at, the outermost of them for all zeros that lie further out."""
        return min(self.border, self.radius + 1)


def two_highest(heatmaps: Tensor, blur: Blur) -> Tensor:
    """The two highest pixels of each map, padded with zeros and blurred (mirrored at the ends of the padding).

    Made of operations without decisions on data, for tracing and so that a GPU does not wait. Of equal pixels the first in
    reading order counts; NaN counts as the highest. The second is the highest after the first has been set to 0.

    Written as a sum of shifted maps: a convolution would compute in half precision under autocast and in TF32 on a GPU,
    where the peak and its neighbours come out alike.

    Args:
        heatmaps (Tensor): (B, K, H, W) float32.
        blur (Blur): Padding and kernel.

    Returns:
        Tensor: (B, K, 2, 2) float32; the first and the second pixel as (x, y) in heatmap px, negative in the padding.
    """
    radius, margin = blur.radius, blur.margin
    if margin < blur.border:  # what would be mirrored are zeros
        padded = F.pad(heatmaps, [margin + radius] * 4)
    else:
        padded = F.pad(F.pad(heatmaps, [margin] * 4), [radius] * 4, mode='reflect')
    blurred = _filter(_filter(padded, blur.kernel, dim=-1), blur.kernel, dim=-2)
    width = blurred.shape[-1]
    flat = blurred.flatten(2)
    first = flat.argmax(dim=-1, keepdim=True)
    second = flat.scatter(-1, first, 0.).argmax(dim=-1, keepdim=True)
    index = torch.cat([first, second], dim=-1)
    pixels = torch.stack([index % width, torch.div(index, width, rounding_mode='floor')], dim=-1) - margin
    return torch.where(index.unsqueeze(-1) == 0, -blur.border, pixels).float()


def _filter(maps: Tensor, kernel: List[float], dim: int) -> Tensor:
    """Symmetric filter along one axis, which becomes shorter by ``len(kernel) - 1``."""
    radius = len(kernel) // 2
    length = maps.shape[dim] - 2 * radius
    filtered = maps.narrow(dim, radius, length) * kernel[radius]
    for i in range(radius):
        filtered = filtered + (maps.narrow(dim, i, length) + maps.narrow(dim, 2 * radius - i, length)) * kernel[i]
    return filtered

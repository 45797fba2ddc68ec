"""The highest and the second highest pixel of a blurred heatmap: on any device, and quickly on a CPU.

Both forms add and multiply the same float32 numbers in the same order, so that they agree in every bit: a symmetric peak has
neighbours that differ by rounding alone, and which of them is the second highest must not depend on the form.
"""
from typing import List, NamedTuple, Tuple

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Windows that are worked on together, and whole maps, so that what is written is still in a core's cache when it is read.
MAPS_AT_ONCE = 1024
MAPS_IN_CACHE = 64
# A window around a pixel is so large that pixels outside it, once blurred, have seen nothing this near to it.
UNSEEN = 2
# Rounding can lift a blurred value above the highest value that went into it, by less than this factor.
ROUNDING = np.float32(1 + 1e-5)


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
    return torch.where(index[..., None] == 0, -blur.border, pixels).float()


def two_highest_on_cpu(heatmaps: np.ndarray, blur: Blur) -> np.ndarray:
    """The same as :func:`two_highest`, computed only where the highest pixels can be.

    A blurred value is a weighted mean of the pixels around it (padding included), so it is not above the highest of them. Each
    map is blurred in a window around its highest pixel alone. If the second highest value there is above zero and above
    everything that the pixels outside the window are made of, both pixels have been found; else, as on flat maps, on noise
    and with two peaks alike, the whole map is blurred.

    Args:
        heatmaps (np.ndarray): (N, H, W) float32, contiguous and writeable. They are as before afterwards, but not meanwhile.
        blur (Blur): Padding and kernel.

    Returns:
        np.ndarray: (N, 2, 2) int64; the first and the second pixel as (x, y) in heatmap px, negative in the padding.
    """
    pixels = np.empty((len(heatmaps), 2, 2), dtype=np.int64)
    with np.errstate(invalid='ignore', over='ignore'):  # infinite and NaN values are let through
        for start in range(0, len(heatmaps), MAPS_AT_ONCE):
            part = slice(start, start + MAPS_AT_ONCE)
            pixels[part], found = _around_the_highest(heatmaps[part], blur)
            missed = start + np.flatnonzero(~found)
            for i in range(0, len(missed), MAPS_IN_CACHE):
                some = missed[i:i + MAPS_IN_CACHE]
                pixels[some] = _in_whole_maps(heatmaps[some], blur)
    return pixels


def _around_the_highest(heatmaps: np.ndarray, blur: Blur) -> Tuple[np.ndarray, np.ndarray]:
    """The two highest pixels of a window around the highest raw pixel, (N, 2, 2), and whether they are those of the map."""
    height, width = heatmaps.shape[1:]
    reach = blur.radius + UNSEEN
    y, x, rest = _highest(heatmaps)

    rows, rows_outside, rows_exist = _along_axis(y, height, reach, blur)
    columns, columns_outside, columns_exist = _along_axis(x, width, reach, blur)
    rows = rows * width + np.arange(len(heatmaps)) * (height * width)
    window = heatmaps.reshape(-1).take(rows[:, None] + columns)  # (row, column, N)
    np.putmask(window, rows_outside[:, None] | columns_outside, 0)
    blurred = _filter_array(_filter_array(window, blur.kernel, axis=1), blur.kernel, axis=0)
    if blur.border < reach:  # else all of every window is within the padding
        blurred = np.where(rows_exist[:, None] & columns_exist, blurred, np.float32(-np.inf))

    side = 2 * reach + 1
    index, second_value = _two_highest_of(np.ascontiguousarray(blurred.reshape(side * side, -1).T))
    pixels = np.stack([index % side + (x - reach)[:, None], index // side + (y - reach)[:, None]], axis=-1)
    # Pixels outside the window are made of those that `rest` is the highest of. NaN compares false.
    return pixels, second_value > rest.clip(min=0) * ROUNDING


def _highest(heatmaps: np.ndarray) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and column of the highest pixel of each map (N, H, W), and the highest value more than UNSEEN px from it, (N, ).

    The pixels around it are lowered for a moment: a copy of the maps would take longer than all else here.
    """
    height, width = heatmaps.shape[1:]
    maps = heatmaps.reshape(len(heatmaps), -1)
    y, x = np.divmod(maps.argmax(axis=1), width)
    around = np.arange(-UNSEEN, UNSEEN + 1)[:, None]
    rows = (y + around).clip(0, height - 1) * width + np.arange(len(maps)) * (height * width)
    pixels = rows[:, None] + (x + around).clip(0, width - 1)
    values = maps.take(pixels)
    maps.put(pixels, -np.inf)
    rest = maps.max(axis=1)
    maps.put(pixels, values)
    return y, x, rest


def _along_axis(centers: np.ndarray, length: int, reach: int, blur: Blur) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where windows around ``centers`` (N, ) take their pixels from, along one axis.

    Returns:
        tuple: ``sources`` (2 * (reach + radius) + 1, N), pixels of the map, mirrored at the ends of the padding; ``outside``,
        alike, true where there is padding; ``exist`` (2 * reach + 1, N), false beyond the padding.
    """
    first, last = -blur.border, length - 1 + blur.border
    extent = reach + blur.radius
    pixels = np.arange(-extent, length + extent)
    exist = (pixels >= first) & (pixels <= last)
    pixels = np.where(pixels < first, 2 * first - pixels, np.where(pixels > last, 2 * last - pixels, pixels))
    outside = (pixels < 0) | (pixels >= length)
    window = centers + np.arange(2 * extent + 1)[:, None]
    return pixels.clip(0, length - 1)[window], outside[window], exist[window[blur.radius:-blur.radius]]


def _in_whole_maps(heatmaps: np.ndarray, blur: Blur) -> np.ndarray:
    """:func:`two_highest` with NumPy, (N, H, W) to (N, 2, 2)."""
    radius, margin = blur.radius, blur.margin
    count, height, width = heatmaps.shape
    outer = margin + radius
    padded = np.zeros((count, height + 2 * outer, width + 2 * outer), dtype=np.float32)
    padded[:, outer:outer + height, outer:outer + width] = heatmaps
    if margin == blur.border:
        inner = padded[:, radius:-radius, radius:-radius]
        padded = np.pad(inner, [(0, 0), (radius, radius), (radius, radius)], mode='reflect')
    blurred = _filter_array(_filter_array(padded, blur.kernel, axis=2), blur.kernel, axis=1)
    width += 2 * margin
    index, _ = _two_highest_of(blurred.reshape(count, -1))
    pixels = np.stack([index % width, index // width], axis=-1) - margin
    return np.where(index[..., None] == 0, -blur.border, pixels)


def _two_highest_of(values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
    """Index of the highest and, after that has been set to 0, of the highest of each row (N, M), (N, 2); the latter's value.

    ``values`` are modified.
    """
    rows = np.arange(len(values))
    first = values.argmax(axis=1)
    values[rows, first] = 0
    second = values.argmax(axis=1)
    return np.stack([first, second], axis=1), values[rows, second]


def _filter_array(maps: np.ndarray, kernel: List[float], axis: int) -> np.ndarray:
    """Symmetric filter along one axis, which becomes shorter by ``len(kernel) - 1``."""
    radius = len(kernel) // 2
    length = maps.shape[axis] - 2 * radius

    def shifted(start: int) -> np.ndarray:
        return maps[(slice(None), ) * axis + (slice(start, start + length), )]

    filtered = shifted(radius) * np.float32(kernel[radius])
    for i in range(radius):
        pair = shifted(i) + shifted(2 * radius - i)
        pair *= np.float32(kernel[i])
        filtered += pair
    return filtered


def _filter(maps: Tensor, kernel: List[float], dim: int) -> Tensor:
    """:func:`_filter_array` of tensors. The products are rounded before they are added, as NumPy's are."""
    radius = len(kernel) // 2
    length = maps.shape[dim] - 2 * radius
    filtered = maps.narrow(dim, radius, length) * kernel[radius]
    for i in range(radius):
        filtered = filtered + (maps.narrow(dim, i, length) + maps.narrow(dim, 2 * radius - i, length)) * kernel[i]
    return filtered

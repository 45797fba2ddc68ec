"""Decoding on a CPU: loops that Numba compiles, which leave out most of the blur."""
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Tuple

import numpy as np
import torch
from numba import njit

from .two_highest import Blur

# A window around a pixel is so large that pixels outside it, once blurred, have seen nothing this near to it.
UNSEEN = 2
# Rounding can lift a blurred value above the highest value that went into it, by less than this factor.
ROUNDING = np.float32(1 + 1e-5)
ZERO = np.float32(0)
# Fewer maps are decoded sooner than a thread has begun.
MAPS_A_THREAD = 200


class Decoded(NamedTuple):
    """points: (N, 2) float32, (x, y) in heatmap px. values: (N, ) float32, of the pixels nearest to them.

    by_window: (N, ) bool, where a window of the map was enough.
    """
    points: np.ndarray
    values: np.ndarray
    by_window: np.ndarray


def decode_compiled(heatmaps: np.ndarray, blur: Blur, offset: float) -> Decoded:
    """The joint of each map, the same as from :func:`two_highest` to the last bit, computed only where it can be.

    A blurred value is a weighted mean of the pixels around it (padding included), so it is not above the highest of them. Each
    map is blurred in a window around its highest pixel alone. If the second highest value there is above zero and above
    everything that the pixels outside the window are made of, both pixels have been found; else, as on wide peaks, on noise
    and with two peaks alike, the box around all pixels that have seen one as high as that is blurred. Large batches are shared
    among as many threads as PyTorch has.

    Args:
        heatmaps (np.ndarray): (N, H, W) float32, contiguous.
        blur (Blur): Padding and kernel.
        offset (float): How far the joint lies from the highest towards the second highest pixel, in heatmap px.
    """
    count = len(heatmaps)
    decoded = Decoded(np.empty((count, 2), np.float32), np.empty(count, np.float32), np.empty(count, np.bool_))
    kernel = np.array(blur.kernel, np.float32)

    def decode(part: slice) -> None:
        _decode(heatmaps[part], kernel, blur.border, blur.margin, np.float32(offset), *(array[part] for array in decoded))

    threads = max(min(torch.get_num_threads(), count // MAPS_A_THREAD), 1)
    parts = [slice(i * count // threads, (i + 1) * count // threads) for i in range(threads)]
    if threads == 1:
        decode(parts[0])
        return decoded
    # Its threads end here: those of a lasting pool would be missing in a process that is forked later.
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [pool.submit(decode, part) for part in parts[1:]]
        decode(parts[0])
        for other in others:
            other.result()
    return decoded


@njit(cache=True, nogil=True)
def _decode(heatmaps: np.ndarray, kernel: np.ndarray, border: int, margin: int, offset: float,
            points: np.ndarray, values: np.ndarray, by_window: np.ndarray) -> None:
    """Fills the last three."""
    count, height, width = heatmaps.shape
    radius = len(kernel) // 2
    reach = radius + UNSEEN
    side = 2 * (max(margin, reach) + radius)
    sources = np.empty((height + side) * (width + side), dtype=np.float32)
    blurred = np.empty_like(sources)
    highest = np.empty(width, dtype=np.float32)
    pixels = np.empty((2, 2), dtype=np.int64)
    for n in range(count):
        heatmap = heatmaps[n]
        by_window[n], second = False, ZERO
        if _are_finite(heatmap.reshape(-1)):
            _highest_of_columns(heatmap, highest)
            x = _index_of_highest(highest)
            y = _index_of_highest(heatmap[:, x])
            top, bottom = max(y - reach, -border), min(y + reach, height - 1 + border)
            left, right = max(x - reach, -border), min(x + reach, width - 1 + border)
            _blur(heatmap, kernel, border, top, bottom, left, right, sources, blurred)
            second = _two_highest(blurred, 2 * radius, top, bottom, left, right, pixels)
            by_window[n] = second > max(_highest_elsewhere(heatmap, highest, y, x), ZERO) * ROUNDING
        if not by_window[n]:
            top, bottom, left, right = -margin, height - 1 + margin, -margin, width - 1 + margin
            if second > ZERO:
                first_row, last_row, first_column, last_column = _box_of_high(heatmap, highest, second / ROUNDING)
                top, bottom = max(first_row - radius, top), min(last_row + radius, bottom)
                left, right = max(first_column - radius, left), min(last_column + radius, right)
            _blur(heatmap, kernel, border, top, bottom, left, right, sources, blurred)
            _two_highest(blurred, 2 * radius, top, bottom, left, right, pixels)
            for i in range(2):  # all further out is zero, too, and comes first
                if pixels[i, 0] == -margin and pixels[i, 1] == -margin:
                    pixels[i, :] = -border
        values[n] = _refine(heatmap, pixels, offset, points[n])


@njit(cache=True, nogil=True)
def _refine(heatmap: np.ndarray, pixels: np.ndarray, offset: float, point: np.ndarray) -> float:
    """From the first of ``pixels`` (2, 2) ``offset`` px towards the second, to ``point`` (2, ); the map's value there."""
    towards_x, towards_y = np.float32(pixels[1, 0] - pixels[0, 0]), np.float32(pixels[1, 1] - pixels[0, 1])
    # One and the same pixel (an empty map) has no direction: its length counts as 1.
    length = max(np.sqrt(towards_x * towards_x + towards_y * towards_y), np.float32(1))
    x = np.float32(pixels[0, 0]) + offset * towards_x / length
    y = np.float32(pixels[0, 1]) + offset * towards_y / length
    point[0] = min(max(x, ZERO), np.float32(heatmap.shape[1] - 1))
    point[1] = min(max(y, ZERO), np.float32(heatmap.shape[0] - 1))
    return heatmap[int(np.rint(point[1])), int(np.rint(point[0]))]


@njit(cache=True, nogil=True, fastmath={'reassoc'})
def _are_finite(values: np.ndarray) -> bool:
    total = ZERO
    for i in range(values.size):  # indices, and a sum in any order, let the compiler use vectors
        total += values[i] * ZERO
    return total == ZERO


@njit(cache=True, nogil=True)
def _highest_of_columns(heatmap: np.ndarray, highest: np.ndarray) -> None:
    """Column by column side by side, which takes a fifth of the time of row by row: vectors again."""
    for column in range(heatmap.shape[1]):
        highest[column] = heatmap[0, column]
    for row in range(1, heatmap.shape[0]):
        for column in range(heatmap.shape[1]):
            value = heatmap[row, column]
            highest[column] = value if value > highest[column] else highest[column]


@njit(cache=True, nogil=True)
def _index_of_highest(values: np.ndarray) -> int:
    index = 0
    for i in range(1, len(values)):
        if values[i] > values[index]:
            index = i
    return index


@njit(cache=True, nogil=True)
def _highest_elsewhere(heatmap: np.ndarray, highest: np.ndarray, y: int, x: int) -> float:
    """The highest value more than UNSEEN px from (x, y)."""
    rest = np.float32(-np.inf)
    for column in range(heatmap.shape[1]):
        if abs(column - x) > UNSEEN:
            rest = max(rest, highest[column])
    for row in range(heatmap.shape[0]):
        if abs(row - y) > UNSEEN:
            for column in range(max(x - UNSEEN, 0), min(x + UNSEEN + 1, heatmap.shape[1])):
                rest = max(rest, heatmap[row, column])
    return rest


@njit(cache=True, nogil=True)
def _box_of_high(heatmap: np.ndarray, highest: np.ndarray, least: float) -> Tuple[int, int, int, int]:
    """First and last row and column of the pixels from ``least`` on, of which there are some."""
    left, right = 0, len(highest) - 1
    while highest[left] < least:
        left += 1
    while highest[right] < least:
        right -= 1
    top, bottom = 0, len(heatmap) - 1
    while not _reaches(heatmap[top, left:right + 1], least):
        top += 1
    while not _reaches(heatmap[bottom, left:right + 1], least):
        bottom -= 1
    return top, bottom, left, right


@njit(cache=True, nogil=True)
def _reaches(values: np.ndarray, least: float) -> bool:
    count = 0
    for i in range(values.size):
        count += values[i] >= least
    return count > 0


@njit(cache=True, nogil=True)
def _blur(heatmap: np.ndarray, kernel: np.ndarray, border: int, top: int, bottom: int, left: int, right: int,
          sources: np.ndarray, blurred: np.ndarray) -> None:
    """Blurs the pixels ``top..bottom``, ``left..right``, both included, to the start of ``blurred``.

    Its rows are ``2 * radius`` longer than those of the pixels, and hold nothing of use there: so each step of a filter is one
    loop over all pixels. Adds and multiplies in the order of ``two_highest._filter``: along rows first, from the ends of the
    kernel inwards.
    """
    radius = len(kernel) // 2
    stride = right - left + 1 + 2 * radius
    _copy(heatmap, border, top - radius, bottom + radius, left - radius, right + radius, sources)
    size = stride * (bottom - top + 1)
    _filter(sources, kernel, 1, blurred[:size + stride * 2 * radius - 2 * radius])
    sources[:size + stride * 2 * radius - 2 * radius] = blurred[:size + stride * 2 * radius - 2 * radius]
    _filter(sources, kernel, stride, blurred[:size - 2 * radius])


@njit(cache=True, nogil=True)
def _filter(values: np.ndarray, kernel: np.ndarray, step: int, filtered: np.ndarray) -> None:
    """The symmetric filter over every ``step``-th of ``values``, from each of them on.

    Slices that begin at 0, and factors in variables: only then does the compiler use vectors.
    """
    radius = len(kernel) // 2
    middle, factor = values[step * radius:], kernel[radius]
    for i in range(filtered.size):
        filtered[i] = middle[i] * factor
    for k in range(radius):
        near, far, factor = values[step * k:], values[step * (2 * radius - k):], kernel[k]
        for i in range(filtered.size):
            filtered[i] += (near[i] + far[i]) * factor


@njit(cache=True, nogil=True)
def _copy(heatmap: np.ndarray, border: int, top: int, bottom: int, left: int, right: int, sources: np.ndarray) -> None:
    """The pixels ``top..bottom``, ``left..right``, both included, of the padded map to the start of ``sources``."""
    height, width = heatmap.shape
    i = 0
    for row in range(top, bottom + 1):
        row = _mirrored(row, height, border)
        if not 0 <= row < height:
            for _ in range(left, right + 1):
                sources[i] = ZERO
                i += 1
        elif left >= 0 and right < width:
            found, copied = heatmap[row, left:right + 1], sources[i:]
            for j in range(found.size):
                copied[j] = found[j]
            i += found.size
        else:
            for column in range(left, right + 1):
                column = _mirrored(column, width, border)
                sources[i] = heatmap[row, column] if 0 <= column < width else ZERO
                i += 1


@njit(cache=True, nogil=True)
def _mirrored(pixel: int, length: int, border: int) -> int:
    """``pixel``, mirrored at the ends of the padding."""
    first, last = -border, length - 1 + border
    if pixel < first:
        return 2 * first - pixel
    return 2 * last - pixel if pixel > last else pixel


@njit(cache=True, nogil=True)
def _two_highest(blurred: np.ndarray, gap: int, top: int, bottom: int, left: int, right: int, pixels: np.ndarray) -> float:
    """The highest pixel and, once that is 0, the highest, as (x, y) to ``pixels`` (2, 2); the second's value.

    ``gap``: Entries of ``blurred`` between the end of a row and the next.
    """
    value = ZERO
    for n in range(2):
        first = 0
        value = blurred[0]
        i = 0
        for _ in range(top, bottom + 1):
            for _ in range(left, right + 1):
                candidate = blurred[i]
                # NaN is above all, and compares false.
                if candidate > value or (candidate != candidate and value == value):
                    first, value = i, candidate
                i += 1
            i += gap
        stride = right - left + 1 + gap
        pixels[n, 0], pixels[n, 1] = left + first % stride, top + first // stride
        if n == 0:
            blurred[first] = ZERO
    return value

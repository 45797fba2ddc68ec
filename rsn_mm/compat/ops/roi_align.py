"""RoIAlign: bilinear samples of a feature map on a grid in each bin of a box, averaged or maximised."""
from typing import Iterator, NamedTuple, Tuple

import torch

from .backend import (
    bilinear_corners,
    channels_last_table,
    extension_op,
    gradients,
    segment_max,
    torchvision_kernel,
    weighted_row_sums,
    working_precision,
)

# Samples that are processed at a time: with 256 channels, 64 MiB of values when they are maximised.
_SAMPLES_AT_ONCE = 2**16
# MMCV's CPU kernel starts its maximum from this value.
_LOWEST = -10000.


class SamplingGrid(NamedTuple):
    """Where the bins of N boxes are sampled: S points, bin after bin, each bin row by row.

    Attributes:
        y (Tensor): rows of the points in feature pixels, shape (S,).
        x (Tensor): columns, shape (S,).
        image (Tensor): int64 (S,), index of the image each point is on.
        bin (Tensor): int64 (S,), the bin each point belongs to, counted over boxes, rows and columns of bins.
        per_bin (Tensor): int64 (N * bins per box,), number of points in each bin; may be 0.
    """
    y: torch.Tensor
    x: torch.Tensor
    image: torch.Tensor
    bin: torch.Tensor
    per_bin: torch.Tensor


@extension_op
def roi_align_forward(input: torch.Tensor, rois: torch.Tensor, output: torch.Tensor, argmax_y: torch.Tensor,
                      argmax_x: torch.Tensor, aligned_height: int, aligned_width: int, spatial_scale: float,
                      sampling_ratio: int, pool_mode: int, aligned: bool) -> None:
    """Fill ``output`` and, when maximising, ``argmax_y`` and ``argmax_x``.

    Args:
        input (Tensor): features, shape (B, C, H, W).
        rois (Tensor): shape (N, 5), as image index, x1, y1, x2, y2.
        output (Tensor): shape (N, C, aligned_height, aligned_width), is filled.
        argmax_y (Tensor): same shape, is filled with the row of the greatest sample in feature pixels, -1 where a bin
            has none; unused when averaging.
        argmax_x (Tensor): the same for columns.
        aligned_height (int): rows of bins.
        aligned_width (int): columns of bins.
        spatial_scale (float): feature pixels per unit of the boxes.
        sampling_ratio (int): samples per bin and axis; with 0, as many as the bin is wide in feature pixels.
        pool_mode (int): 0 for the maximum, 1 for the average.
        aligned (bool): True: the centre of pixel i lies at i + 0.5; False: at i, and boxes are at least 1 pixel wide.

    Raises:
        ValueError: if a box is not finite.

    Source:
        MMCV's op. A box of negative size yields 0 (average), as in its CUDA kernel; its CPU kernel raises.
    """
    size = (aligned_height, aligned_width)
    options = (size, spatial_scale, sampling_ratio, aligned)
    if pool_mode == 1:
        average = torchvision_kernel('roi_align', input.device) or average_roi_align
        output.copy_(average(working_precision(input), rois.to(working_precision(input).dtype), *options))
        return
    features = working_precision(input)
    start = 0
    for boxes in _split(rois.to(features.dtype), *options):
        stop = start + len(boxes)
        maxima, y, x = _maximum(features, boxes, *options)
        output[start:stop], argmax_y[start:stop], argmax_x[start:stop] = maxima, y, x
        start = stop


@extension_op
def roi_align_backward(grad_output: torch.Tensor, rois: torch.Tensor, argmax_y: torch.Tensor, argmax_x: torch.Tensor,
                       grad_input: torch.Tensor, aligned_height: int, aligned_width: int, spatial_scale: float,
                       sampling_ratio: int, pool_mode: int, aligned: bool) -> None:
    """Add the gradient with respect to the features to ``grad_input``, shape (B, C, H, W).

    Args:
        grad_output (Tensor): shape (N, C, aligned_height, aligned_width).

    The other arguments are those of :func:`roi_align_forward`.
    """
    if pool_mode == 0:
        _add_gradient_of_maximum(grad_output, rois[:, 0].long(), argmax_y, argmax_x, grad_input)
        return
    average = torchvision_kernel('roi_align', grad_input.device) or average_roi_align
    features = working_precision(grad_input)
    boxes = rois.to(features.dtype)

    def forward(input: torch.Tensor) -> torch.Tensor:
        return average(input, boxes, (aligned_height, aligned_width), spatial_scale, sampling_ratio, aligned)

    grad_input.add_(gradients(forward, [features], grad_output)[0])


def average_roi_align(input: torch.Tensor, rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float,
                      sampling_ratio: int, aligned: bool) -> torch.Tensor:
    """RoIAlign that averages.

    Args:
        input (Tensor): features, shape (B, C, H, W), of single or double precision.
        rois (Tensor): shape (N, 5), as image index, x1, y1, x2, y2, dtype of the features.
        output_size (tuple): bins as (height, width).

    The other arguments are those of :func:`roi_align_forward`.

    Returns:
        Tensor: shape (N, C, height, width), differentiable with respect to ``input``.
    """
    options = (output_size, spatial_scale, sampling_ratio, aligned)
    table = channels_last_table(input)
    sums = [table[:0]]  # so that without a box the result still depends on the input
    for boxes in _split(rois, *options):
        grid = _sampling_grid(boxes, *options)
        rows, weights = _corners(grid, input.shape)
        starts = (grid.per_bin.cumsum(0) - grid.per_bin) * 4
        bins = weighted_row_sums(table, rows.flatten(), weights.flatten(), starts)
        sums.append(bins / grid.per_bin.clamp(min=1)[:, None])
    return torch.cat(sums).reshape(len(rois), *output_size, input.shape[1]).permute(0, 3, 1, 2)


def _maximum(features: torch.Tensor, rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float,
             sampling_ratio: int, aligned: bool) -> Tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Greatest sample of each bin, its row and its column, each of shape (N, C, height, width)."""
    grid = _sampling_grid(rois, output_size, spatial_scale, sampling_ratio, aligned)
    samples = weighted_row_sums(channels_last_table(features), *_corners(grid, features.shape))
    maxima, arg = segment_max(samples, grid.bin, len(grid.per_bin), _LOWEST)
    # Position -1 is the last one: there stands what bins without a maximum get.
    y, x = (torch.cat((points, points.new_full((1, ), -1)))[arg] for points in (grid.y, grid.x))
    channels = features.shape[1]
    maxima, y, x = (values.reshape(len(rois), *output_size, channels).permute(0, 3, 1, 2) for values in (maxima, y, x))
    return maxima, y, x


def _add_gradient_of_maximum(grad_output: torch.Tensor, image: torch.Tensor, argmax_y: torch.Tensor,
                             argmax_x: torch.Tensor, grad_input: torch.Tensor) -> None:
    channels, height, width = grad_input.shape[1:]
    y, x = working_precision(argmax_y), working_precision(argmax_x)
    positions, weights = _clipped_corners(y, x, height, width)
    weights = weights * (argmax_y != -1)[..., None]
    plane = image[:, None] * channels + torch.arange(channels, device=image.device)
    positions = positions + plane[:, :, None, None, None] * (height * width)
    spread = weights * grad_output[..., None]
    total = torch.zeros_like(grad_input, dtype=spread.dtype).flatten()
    total.index_add_(0, positions.flatten(), spread.flatten())
    grad_input.add_(total.view_as(grad_input))


def _split(rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float, sampling_ratio: int,
           aligned: bool) -> Iterator[torch.Tensor]:
    """Runs of boxes with at most ``_SAMPLES_AT_ONCE`` samples together, or of one box."""
    if not torch.isfinite(rois).all():
        raise ValueError('roi_align: rois has coordinates that are NaN or infinite. Check the boxes that go in: a '
                         'diverged detector, or a division by a zero width, yields them.')
    _, counts = _bins(rois, output_size, spatial_scale, sampling_ratio, aligned)
    samples = (counts.prod(dim=1) * output_size[0] * output_size[1]).cumsum(0).cpu()
    start = 0
    while start < len(rois):
        done = samples[start - 1] if start else 0
        stop = max(start + 1, int(torch.searchsorted(samples, done + _SAMPLES_AT_ONCE, right=True)))
        yield rois[start:stop]
        start = stop


def _bins(rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float, sampling_ratio: int,
          aligned: bool) -> Tuple[torch.Tensor, torch.Tensor]:
    """Size of the bins of each box in feature pixels, and samples along it; both (N, 2), as vertical, horizontal."""
    x1, y1, x2, y2 = (rois[:, 1:] * spatial_scale - (0.5 if aligned else 0.)).unbind(dim=1)
    size = torch.stack((y2 - y1, x2 - x1), dim=1)
    if not aligned:
        size = size.clamp(min=1)
    bin_size = size / size.new_tensor(output_size)
    if sampling_ratio > 0:
        return bin_size, torch.full_like(bin_size, sampling_ratio, dtype=torch.long)
    return bin_size, bin_size.ceil().clamp(min=0).long()


def _sampling_grid(rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float, sampling_ratio: int,
                   aligned: bool) -> SamplingGrid:
    bin_size, counts = _bins(rois, output_size, spatial_scale, sampling_ratio, aligned)
    bins_per_box = output_size[0] * output_size[1]
    per_bin = counts.prod(dim=1).repeat_interleave(bins_per_box)
    bin = torch.arange(len(per_bin), device=rois.device).repeat_interleave(per_bin)
    in_bin = torch.arange(len(bin), device=rois.device) - (per_bin.cumsum(0) - per_bin)[bin]
    box, bin_in_box = bin // bins_per_box, bin % bins_per_box
    corner = rois[:, [2, 1]] * spatial_scale - (0.5 if aligned else 0.)
    across = counts[box, 1]
    points = []
    for axis, (bin_index, sample) in enumerate(((bin_in_box // output_size[1], in_bin // across),
                                                (bin_in_box % output_size[1], in_bin % across))):
        size = bin_size[box, axis]
        # The order of the operations is that of MMCV: a sample may lie exactly on the border of the map.
        points.append(corner[box, axis] + bin_index * size + (sample + 0.5) * size / counts[box, axis])
    return SamplingGrid(points[0], points[1], rois[box, 0].long(), bin, per_bin)


def _corners(grid: SamplingGrid, shape: torch.Size) -> Tuple[torch.Tensor, torch.Tensor]:
    """Rows (S, 4) of the channels-last table around each sample, and their weights."""
    height, width = shape[2:]
    positions, weights = _clipped_corners(grid.y, grid.x, height, width)
    return positions + (grid.image * (height * width))[:, None], weights


def _clipped_corners(y: torch.Tensor, x: torch.Tensor, height: int,
                     width: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """:func:`bilinear_corners` as RoIAlign sees it: up to 1 pixel outside, a point takes the value of the border."""
    near = (y >= -1) & (y <= height) & (x >= -1) & (x <= width)
    positions, weights = bilinear_corners(y.clamp(0, height - 1), x.clamp(0, width - 1), height, width)
    return positions, weights * near[..., None]

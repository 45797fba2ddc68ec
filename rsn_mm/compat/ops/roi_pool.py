"""RoIPool: the greatest feature in each bin of a box, whose borders are moved to whole pixels."""
from typing import Tuple

import torch

from .backend import channels_last_table, extension_op, segment_max, working_precision

# Boxes that are processed at a time, which bounds the memory for their pixels.
_BOXES_AT_ONCE = 8


@extension_op
def roi_pool_forward(input: torch.Tensor, rois: torch.Tensor, output: torch.Tensor, argmax: torch.Tensor,
                     pooled_height: int, pooled_width: int, spatial_scale: float) -> None:
    """Fill ``output`` and ``argmax``.

    Args:
        input (Tensor): features, shape (B, C, H, W).
        rois (Tensor): shape (N, 5), as image index, x1, y1, x2, y2, where x2 and y2 are the last pixels inside.
        output (Tensor): shape (N, C, pooled_height, pooled_width), is filled; 0 in bins without a pixel.
        argmax (Tensor): int32, same shape, is filled with the position ``row * W + column`` of the maximum, -1 in bins
            without a pixel.
        pooled_height (int): rows of bins.
        pooled_width (int): columns of bins.
        spatial_scale (float): feature pixels per unit of the boxes.

    Source:
        MMCV's op, which runs on CUDA only. torchvision's op of this name rounds boxes to whole pixels first, so it does
        not serve here. For a box without area MMCV leaves ``argmax`` at 0, and its gradient goes to pixel 0; here to
        none.
    """
    features = working_precision(input)
    table = channels_last_table(features)
    for start in range(0, len(rois), _BOXES_AT_ONCE):
        part = slice(start, start + _BOXES_AT_ONCE)
        boxes = rois[part].to(features.dtype)
        pixel, bin = _pixels(boxes, (pooled_height, pooled_width), spatial_scale, input.shape)
        image = boxes[bin // (pooled_height * pooled_width), 0].long()
        values = table[image * (input.shape[2] * input.shape[3]) + pixel]
        shape = (len(boxes), pooled_height, pooled_width, input.shape[1])
        maxima, arg = segment_max(values, bin, shape[0] * shape[1] * shape[2], torch.finfo(values.dtype).min)
        empty = arg < 0
        pixel = torch.cat((pixel, pixel.new_full((1, ), -1)))
        output[part] = maxima.masked_fill(empty, 0).reshape(shape).permute(0, 3, 1, 2)
        argmax[part] = pixel[arg].reshape(shape).permute(0, 3, 1, 2).to(argmax.dtype)


@extension_op
def roi_pool_backward(grad_output: torch.Tensor, rois: torch.Tensor, argmax: torch.Tensor, grad_input: torch.Tensor,
                      pooled_height: int, pooled_width: int, spatial_scale: float) -> None:
    """Add the gradient with respect to the features to ``grad_input``, shape (B, C, H, W).

    Args:
        grad_output (Tensor): shape (N, C, pooled_height, pooled_width).

    The other arguments are those of :func:`roi_pool_forward`.
    """
    channels, height, width = grad_input.shape[1:]
    plane = rois[:, :1].long() * channels + torch.arange(channels, device=rois.device)
    positions = plane[:, :, None, None] * (height * width) + argmax
    pooled = argmax >= 0
    grad_input.view(-1).index_add_(0, positions[pooled], grad_output[pooled])


def _pixels(rois: torch.Tensor, output_size: Tuple[int, int], spatial_scale: float,
            shape: torch.Size) -> Tuple[torch.Tensor, torch.Tensor]:
    """Positions ``row * W + column`` of all pixels of all bins, row by row, and the bin of each: int64 (P,), (P,)."""
    height, width = shape[2:]
    top, bottom = _bin_borders(rois[:, 2], rois[:, 4], output_size[0], spatial_scale, height)
    left, right = _bin_borders(rois[:, 1], rois[:, 3], output_size[1], spatial_scale, width)
    rows = (bottom - top)[:, :, None].expand(-1, -1, output_size[1]).flatten()
    columns = (right - left)[:, None, :].expand(-1, output_size[0], -1).flatten()
    top = top[:, :, None].expand(-1, -1, output_size[1]).flatten()
    left = left[:, None, :].expand(-1, output_size[0], -1).flatten()
    per_bin = rows * columns
    bin = torch.arange(len(per_bin), device=rois.device).repeat_interleave(per_bin)
    in_bin = torch.arange(len(bin), device=rois.device) - (per_bin.cumsum(0) - per_bin)[bin]
    return (top[bin] + in_bin // columns[bin]) * width + left[bin] + in_bin % columns[bin], bin


def _bin_borders(first: torch.Tensor, last: torch.Tensor, bins: int, spatial_scale: float,
                 limit: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """First pixel of each bin along one axis and the one after its last: int64 (N, bins), equal where it has none."""
    start = (first * spatial_scale)[:, None]
    size = ((last + 1) * spatial_scale)[:, None] - start
    index = torch.arange(bins, device=first.device)
    begin = (index * (size / bins) + start).floor().clamp(0, limit).long()
    end = ((index + 1) * (size / bins) + start).ceil().clamp(0, limit).long()
    return begin, torch.where(size > 0, end, begin).maximum(begin)

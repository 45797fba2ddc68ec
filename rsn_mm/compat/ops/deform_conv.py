"""Deformable convolution, without (DCN v1) and with (v2, "modulated") a mask that weighs each tap."""
import functools
from typing import List, NamedTuple, Optional, Tuple

import torch

from .backend import (
    bilinear_corners,
    channels_last_table,
    extension_op,
    gradients,
    torchvision_kernel,
    weighted_row_sums,
    working_precision,
)


class Geometry(NamedTuple):
    """How the taps of the kernel lie on the input; each pair is (vertical, horizontal)."""
    stride: Tuple[int, int]
    padding: Tuple[int, int]
    dilation: Tuple[int, int]
    groups: int
    deform_groups: int


def deform_conv(input: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, mask: Optional[torch.Tensor],
                geometry: Geometry) -> torch.Tensor:
    """Convolve, each tap of the kernel being moved by its own offset at every output pixel.

    Args:
        input (Tensor): shape (B, C, H, W).
        offset (Tensor): shape (B, deform_groups * taps * 2, Ho, Wo), in input pixels, as (y, x) for each tap; taps are
            counted row by row.
        weight (Tensor): shape (O, C / groups, kernel height, kernel width).
        mask (Tensor, optional): shape (B, deform_groups * taps, Ho, Wo), what each tap is multiplied by.
        geometry (Geometry): stride, padding, dilation and groups.

    Returns:
        Tensor: shape (B, O, Ho, Wo), differentiable with respect to all tensors. The input counts as 0 outside.

    Raises:
        ValueError: if the offset does not have the shape that follows from the other arguments.
    """
    _check(input, offset, weight, geometry)
    kernel = torchvision_kernel('deform_conv2d', input.device)
    if kernel is not None:
        return kernel(input, offset, weight, None, geometry.stride, geometry.padding, geometry.dilation, mask)
    columns = _columns(input, offset, mask, (weight.shape[2], weight.shape[3]), geometry)
    # (B, pixels, taps, groups, C / groups) x (groups, O / groups, C / groups, taps) -> (B, groups, O / groups, pixels)
    columns = columns.unflatten(3, (geometry.groups, -1))
    grouped = weight.flatten(2).unflatten(0, (geometry.groups, -1))
    return torch.einsum('bptgc,goct->bgop', columns, grouped).reshape(len(input), len(weight), *offset.shape[2:])


@extension_op
def deform_conv_forward(input: torch.Tensor, weight: torch.Tensor, offset: torch.Tensor, output: torch.Tensor,
                        columns: torch.Tensor, ones: torch.Tensor, kW: int, kH: int, dW: int, dH: int, padW: int,
                        padH: int, dilationW: int, dilationH: int, group: int, deformable_group: int,
                        im2col_step: int) -> None:
    """Fill ``output``; see :func:`deform_conv`. ``columns``, ``ones`` and ``im2col_step`` are not used."""
    geometry = Geometry((dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group)
    for image, (features, moved) in enumerate(_images(input, offset)):
        output[image] = deform_conv(features, moved, working_precision(weight), None, geometry)[0]


@extension_op
def deform_conv_backward_input(input: torch.Tensor, offset: torch.Tensor, gradOutput: torch.Tensor,
                               gradInput: torch.Tensor, gradOffset: torch.Tensor, weight: torch.Tensor,
                               columns: torch.Tensor, kW: int, kH: int, dW: int, dH: int, padW: int, padH: int,
                               dilationW: int, dilationH: int, group: int, deformable_group: int,
                               im2col_step: int) -> None:
    """Add to ``gradInput`` and ``gradOffset`` the gradients with respect to input and offset."""
    geometry = Geometry((dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group)
    fixed = working_precision(weight)

    def forward(input: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
        return deform_conv(input, offset, fixed, None, geometry)

    for image, tensors in enumerate(_images(input, offset)):
        _add(gradients(forward, tensors, gradOutput[image:image + 1]), [gradInput[image], gradOffset[image]])


@extension_op
def deform_conv_backward_parameters(input: torch.Tensor, offset: torch.Tensor, gradOutput: torch.Tensor,
                                    gradWeight: torch.Tensor, columns: torch.Tensor, ones: torch.Tensor, kW: int,
                                    kH: int, dW: int, dH: int, padW: int, padH: int, dilationW: int, dilationH: int,
                                    group: int, deformable_group: int, scale: float, im2col_step: int) -> None:
    """Add to ``gradWeight`` the gradient with respect to the weight, times ``scale``."""
    geometry = Geometry((dH, dW), (padH, padW), (dilationH, dilationW), group, deformable_group)
    # The result is linear in the weight: any value of it serves.
    weight = torch.zeros_like(working_precision(gradWeight))
    for image, (features, moved) in enumerate(_images(input, offset)):
        forward = functools.partial(deform_conv, features, moved, mask=None, geometry=geometry)
        gradient, = gradients(forward, [weight], gradOutput[image:image + 1])
        gradWeight.add_(gradient, alpha=scale)


@extension_op
def modulated_deform_conv_forward(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, ones: torch.Tensor,
                                  offset: torch.Tensor, mask: torch.Tensor, output: torch.Tensor,
                                  columns: torch.Tensor, kernel_h: int, kernel_w: int, stride_h: int, stride_w: int,
                                  pad_h: int, pad_w: int, dilation_h: int, dilation_w: int, group: int,
                                  deformable_group: int, with_bias: bool) -> None:
    """Fill ``output``; see :func:`deform_conv`. ``ones`` and ``columns`` are not used, ``bias`` only ``with_bias``."""
    geometry = Geometry((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)
    for image, (features, moved, factor) in enumerate(_images(input, offset, mask)):
        output[image] = deform_conv(features, moved, working_precision(weight), factor, geometry)[0]
    if with_bias:
        output.add_(bias[:, None, None])


@extension_op
def modulated_deform_conv_backward(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, ones: torch.Tensor,
                                   offset: torch.Tensor, mask: torch.Tensor, columns: torch.Tensor,
                                   grad_input: torch.Tensor, grad_weight: torch.Tensor, grad_bias: torch.Tensor,
                                   grad_offset: torch.Tensor, grad_mask: torch.Tensor, grad_output: torch.Tensor,
                                   kernel_h: int, kernel_w: int, stride_h: int, stride_w: int, pad_h: int, pad_w: int,
                                   dilation_h: int, dilation_w: int, group: int, deformable_group: int,
                                   with_bias: bool) -> None:
    """Add to the ``grad_`` tensors the gradients with respect to input, weight, bias, offset and mask."""
    geometry = Geometry((stride_h, stride_w), (pad_h, pad_w), (dilation_h, dilation_w), group, deformable_group)

    def forward(input: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return deform_conv(input, offset, weight, mask, geometry)

    kernel = working_precision(weight)
    for image, tensors in enumerate(_images(input, offset, mask)):
        results = gradients(forward, [*tensors, kernel], grad_output[image:image + 1])
        _add(results, [grad_input[image], grad_offset[image], grad_mask[image], grad_weight])
    if with_bias:
        grad_bias.add_(grad_output.sum(dim=(0, 2, 3)))


def _images(*tensors: torch.Tensor) -> List[List[torch.Tensor]]:
    """The tensors of each image by itself, as batches of 1: the sampled taps of a whole batch need much memory."""
    precise = [working_precision(tensor) for tensor in tensors]
    return [[tensor[image:image + 1] for tensor in precise] for image in range(len(tensors[0]))]


def _add(results: Tuple[torch.Tensor, ...], totals: List[torch.Tensor]) -> None:
    for result, total in zip(results, totals, strict=True):
        total.add_(result.view_as(total))


def _check(input: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, geometry: Geometry) -> None:
    size = [(extent + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
            for extent, padding, dilation, taps, stride in zip(input.shape[2:], geometry.padding, geometry.dilation,
                                                               weight.shape[2:], geometry.stride, strict=True)]
    expected = (len(input), geometry.deform_groups * weight.shape[2] * weight.shape[3] * 2, *size)
    if tuple(offset.shape) != expected:
        raise ValueError(f'offset has shape {tuple(offset.shape)}; an input of shape {tuple(input.shape)} and a weight '
                         f'of shape {tuple(weight.shape)} with {geometry} need {expected}. Give the layer that computes'
                         ' the offset the kernel size, stride, padding and dilation of the deformable layer.')


def _columns(input: torch.Tensor, offset: torch.Tensor, mask: Optional[torch.Tensor], kernel_size: Tuple[int, int],
             geometry: Geometry) -> torch.Tensor:
    """The input under each tap at each output pixel, shape (B, Ho * Wo, taps, C)."""
    batch, channels, height, width = input.shape
    groups, taps = geometry.deform_groups, kernel_size[0] * kernel_size[1]
    # (B, groups, taps, 2, Ho * Wo) -> y and x as (B, groups, Ho * Wo, taps)
    y, x = offset.reshape(batch, groups, taps, 2, -1).permute(3, 0, 1, 4, 2)
    grid_y, grid_x = _undeformed(offset, kernel_size, geometry)
    positions, weights = bilinear_corners(grid_y + y, grid_x + x, height, width)
    if mask is not None:
        weights = weights * mask.reshape(batch, groups, taps, -1).transpose(2, 3)[..., None]
    plane = torch.arange(batch * groups, device=input.device).view(batch, groups, 1, 1, 1) * (height * width)
    table = channels_last_table(input.reshape(batch * groups, channels // groups, height, width))
    sampled = weighted_row_sums(table, (positions + plane).view(-1, 4), weights.reshape(-1, 4))
    return sampled.view(batch, groups, -1, taps, channels // groups).permute(0, 2, 3, 1, 4).flatten(3)


def _undeformed(offset: torch.Tensor, kernel_size: Tuple[int, int],
                geometry: Geometry) -> Tuple[torch.Tensor, torch.Tensor]:
    """Row and column of each tap at each output pixel where the offset is 0, both of shape (Ho * Wo, taps)."""
    axes = []
    for axis in range(2):
        out = torch.arange(offset.shape[2 + axis], device=offset.device) * geometry.stride[axis]
        tap = torch.arange(kernel_size[axis], device=offset.device) * geometry.dilation[axis]
        axes.append((out[:, None] - geometry.padding[axis] + tap).to(offset.dtype))
    rows, columns = axes
    shape = (rows.shape[0], columns.shape[0], rows.shape[1], columns.shape[1])
    return (rows[:, None, :, None].expand(shape).reshape(shape[0] * shape[1], -1),
            columns[None, :, None, :].expand(shape).reshape(shape[0] * shape[1], -1))

"""Multi-scale deformable attention on a GPU. (On a CPU, MMCV itself takes its own pure PyTorch form.)"""
import torch

from .backend import extension_op, gradients


@extension_op
def ms_deform_attn_forward(value: torch.Tensor, value_spatial_shapes: torch.Tensor,
                           value_level_start_index: torch.Tensor, sampling_locations: torch.Tensor,
                           attention_weights: torch.Tensor, im2col_step: int) -> torch.Tensor:
    """Sample the value maps and sum the samples by their attention.

    Args:
        value (Tensor): shape (B, keys, heads, channels), keys of all levels one after the other.
        value_spatial_shapes (Tensor): int64 (levels, 2), height and width of each level.
        value_level_start_index (Tensor): int64 (levels,), not used.
        sampling_locations (Tensor): shape (B, queries, heads, levels, points, 2), as x, y in 0..1.
        attention_weights (Tensor): shape (B, queries, heads, levels, points).
        im2col_step (int): not used.

    Returns:
        Tensor: shape (B, queries, heads * channels).
    """
    return _attend(value, value_spatial_shapes, sampling_locations, attention_weights)


@extension_op
def ms_deform_attn_backward(value: torch.Tensor, value_spatial_shapes: torch.Tensor,
                            value_level_start_index: torch.Tensor, sampling_locations: torch.Tensor,
                            attention_weights: torch.Tensor, grad_output: torch.Tensor, grad_value: torch.Tensor,
                            grad_sampling_loc: torch.Tensor, grad_attn_weight: torch.Tensor,
                            im2col_step: int) -> None:
    """Add to the three ``grad_`` tensors the gradients with respect to value, locations and attention.

    Args:
        grad_output (Tensor): shape (B, queries, heads * channels).

    The other arguments are those of :func:`ms_deform_attn_forward`.
    """

    def forward(value: torch.Tensor, locations: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        return _attend(value, value_spatial_shapes, locations, attention)

    results = gradients(forward, [value, sampling_locations, attention_weights], grad_output)
    for result, total in zip(results, (grad_value, grad_sampling_loc, grad_attn_weight), strict=True):
        total.add_(result)


def _attend(value: torch.Tensor, shapes: torch.Tensor, locations: torch.Tensor,
            attention: torch.Tensor) -> torch.Tensor:
    from mmcv.ops.multi_scale_deform_attn import multi_scale_deformable_attn_pytorch  # it imports what this is part of
    # On the CPU the shapes are read without waiting for the GPU at each level.
    return multi_scale_deformable_attn_pytorch(value, shapes.cpu(), locations, attention)

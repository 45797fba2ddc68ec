"""What the ops share: torchvision's kernels where they run, precision, gradients, bilinear weights."""
import functools
from typing import Any, Callable, Optional, Sequence, Tuple, TypeVar

import torch
import torch.nn.functional as F

Op = TypeVar('Op', bound=Callable[..., Any])


def extension_op(op: Op) -> Op:
    """Make a function behave as a compiled op: it records no graph, and autocast does not reach into it.

    Args:
        op (Callable): takes at least one tensor.

    Returns:
        Callable: the same function, to be called in the same way.
    """

    @functools.wraps(op)
    def run(*args: Any, **kwargs: Any) -> Any:
        tensor = next(value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
        with torch.no_grad(), torch.autocast(tensor.device.type, enabled=False):
            return op(*args, **kwargs)

    return run  # type: ignore[return-value]


def torchvision_kernel(name: str, device: torch.device) -> Optional[Callable[..., torch.Tensor]]:
    """A function of ``torchvision.ops``, where a real torchvision has kernels for the device.

    Args:
        name (str): ``'nms'``, ``'roi_align'`` or ``'deform_conv2d'``.
        device (torch.device): where the tensors are.

    Returns:
        Callable | None: the function, or None where torchvision is missing, broken, or built without this device.
    """
    if not _torchvision_runs_on(device.type):
        return None
    from torchvision import ops
    return getattr(ops, name)


@functools.cache
def _torchvision_runs_on(device_type: str) -> bool:
    try:
        from torchvision import ops
        boxes = torch.tensor([[0., 0., 1., 1.]], device=device_type)
        return ops.nms(boxes, boxes[:, 2], 0.5).tolist() == [0]
    except Exception:  # ImportError, RuntimeError, NotImplementedError, ...: in whatever way, it does not run
        return False


def working_precision(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor itself, or a float32 copy of one of half precision: coordinates need the digits."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def gradients(function: Callable[..., torch.Tensor], inputs: Sequence[torch.Tensor],
              grad_output: torch.Tensor) -> Tuple[torch.Tensor, ...]:
    """Gradients of ``(function(*inputs) * grad_output).sum()``.

    Args:
        function (Callable): differentiable; it is run once more for this.
        inputs (Sequence[Tensor]): all of its arguments.
        grad_output (Tensor): shape of its result.

    Returns:
        tuple[Tensor]: one for each input, of the same shape.
    """
    with torch.enable_grad():
        leaves = [tensor.detach().requires_grad_() for tensor in inputs]
        output = function(*leaves)
    return torch.autograd.grad(output, leaves, grad_output.to(output.dtype))


def bilinear_corners(y: torch.Tensor, x: torch.Tensor, height: int,
                     width: int) -> Tuple[torch.Tensor, torch.Tensor]:
    """The four pixels around each point, and their weights. Pixels outside the map have weight 0.

    Args:
        y (Tensor): rows, where pixel centres have whole numbers; any shape (...).
        x (Tensor): columns, same shape.
        height (int): of the map.
        width (int): of the map.

    Returns:
        tuple:
            - Tensor: int64 (..., 4), positions ``row * width + column``, those outside moved to the border.
            - Tensor: (..., 4), weights, differentiable with respect to y and x. A whole coordinate has the derivative
              from its right side; a point at -1 or below, or at ``height`` / ``width`` or beyond, has none.
    """
    inside = (y > -1) & (y < height) & (x > -1) & (x < width)
    top, left = y.detach().floor(), x.detach().floor()
    below, right = y - top, x - left
    positions, weights = [], []
    for row, row_weight in ((top, 1 - below), (top + 1, below)):
        for column, column_weight in ((left, 1 - right), (left + 1, right)):
            on_map = inside & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            positions.append(row.long().clamp(0, height - 1) * width + column.long().clamp(0, width - 1))
            weights.append(torch.where(on_map, row_weight * column_weight, torch.zeros_like(y)))
    return torch.stack(positions, dim=-1), torch.stack(weights, dim=-1)


def weighted_row_sums(table: torch.Tensor, rows: torch.Tensor, weights: torch.Tensor,
                      starts: Optional[torch.Tensor] = None) -> torch.Tensor:
    """Weighted sums of rows of a table: one kernel call, without a copy of the rows.

    Args:
        table (Tensor): shape (R, C).
        rows (Tensor): int64, indices into R; shape (S, n), or (T,) with ``starts``.
        weights (Tensor): same shape, dtype of the table.
        starts (Tensor, optional): int64 (S,), where the rows of each sum begin; a sum may have none.

    Returns:
        Tensor: shape (S, C), differentiable with respect to table and weights.
    """
    return F.embedding_bag(rows, table, starts, mode='sum', per_sample_weights=weights)


def channels_last_table(features: torch.Tensor) -> torch.Tensor:
    """Feature maps (B, C, H, W) as a table (B * H * W, C), one row for each pixel."""
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1])


def segment_max(values: torch.Tensor, segment: torch.Tensor, num_segments: int,
                floor: float) -> Tuple[torch.Tensor, torch.Tensor]:
    """Maximum of each segment and column, and which row it came from.

    Args:
        values (Tensor): shape (S, C).
        segment (Tensor): int64 (S,), the segment of each row.
        num_segments (int): how many there are; some may be empty.
        floor (float): result where no value is greater than this.

    Returns:
        tuple:
            - Tensor: (num_segments, C), maxima.
            - Tensor: int64 (num_segments, C), first row that has the maximum, -1 where no value is above ``floor``.
    """
    rows, channels = values.shape
    index = segment[:, None].expand(-1, channels)
    maxima = values.new_full((num_segments, channels), floor).scatter_reduce(0, index, values, 'amax')
    is_maximum = (values == maxima[segment]) & (values > floor)
    candidates = torch.where(is_maximum, torch.arange(rows, device=values.device)[:, None], rows)
    first = candidates.new_full((num_segments, channels), rows).scatter_reduce(0, index, candidates, 'amin')
    return maxima, torch.where(first < rows, first, -1)

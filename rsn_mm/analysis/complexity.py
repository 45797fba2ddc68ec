"""What a model costs: parameters, multiply-adds, and all other operations, counted from the built model."""
from typing import TYPE_CHECKING, Any, NamedTuple, Sequence, Union

import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from ..registry import MODELS

if TYPE_CHECKING:
    from mmpose.models import TopdownPoseEstimator

aten = torch.ops.aten

# Operations for each element of the output. What is in none of the three tables below counts one.
OPERATIONS_PER_ELEMENT = {
    aten.native_batch_norm: 2,  # scale and shift, known before the image comes
    aten._native_batch_norm_legit: 2,
    aten._native_batch_norm_legit_no_training: 2,
    aten.batch_norm: 2,
    aten.native_group_norm: 4,  # mean, variance, scale, shift
    aten.upsample_bilinear2d: 4,  # four neighbours
}
# These read more than they write: one operation for each element that they read.
REDUCTIONS = (aten.mean, aten.sum, aten._adaptive_avg_pool2d)
POOLINGS = (aten.max_pool2d_with_indices, aten.max_pool2d, aten.avg_pool2d)
# These only move or name data.
FREE = (aten.view, aten._unsafe_view, aten.reshape, aten.cat, aten.split, aten.split_with_sizes, aten.slice, aten.select,
        aten.t, aten.transpose, aten.permute, aten.expand, aten.unsqueeze, aten.squeeze, aten.clone, aten.copy_, aten.detach,
        aten.empty, aten.zeros, aten.ones, aten.alias, aten.contiguous, aten._to_copy, aten.unbind, aten.constant_pad_nd,
        aten.chunk, aten.stack, aten.flatten)


class Complexity(NamedTuple):
    """Cost of one image.

    parameters: trainable numbers of the model.
    macs: multiply-adds of convolutions and linear layers, without biases.
    elementwise: operations of all the rest: normalisation, activation, addition, pooling, interpolation.
    """
    parameters: int
    macs: int
    elementwise: int


class _Counter(TorchDispatchMode):
    """Sums up the operators that run below it."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0
        self.elementwise = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Union[dict, None] = None) -> Any:
        output = func(*args, **(kwargs or {}))
        result = output[0] if isinstance(output, (tuple, list)) else output
        if isinstance(result, Tensor):
            macs = _macs(func.overloadpacket, args, result)
            self.macs += macs
            self.elementwise += 0 if macs else _operations(func.overloadpacket, args, result)
        return output


def count_complexity(model: 'TopdownPoseEstimator', input_size_wh: Sequence[int], prediction: bool = False) -> Complexity:
    """Count what a pose estimator does with one image.

    Args:
        model (TopdownPoseEstimator): On the meta device nothing is computed.
        input_size_wh (Sequence[int]): (width, height) of the input in pixels.
        prediction (bool): Count the last unit's head alone, as prediction runs it, instead of every unit's. Without
            flip test. Defaults to False.

    Returns:
        Complexity: Parameters, MACs and other operations.
    """
    width, height = input_size_wh
    device = next(model.parameters()).device
    training = model.training
    head = model.head.forward_last if prediction and hasattr(model.head, 'forward_last') else model.head
    counter = _Counter()
    try:
        model.eval()
        with torch.no_grad(), counter:
            head(model.backbone(torch.empty(1, 3, height, width, device=device)))
    finally:
        model.train(training)
    return Complexity(sum(p.numel() for p in model.parameters()), counter.macs, counter.elementwise)


def build_on_meta(cfg: Config) -> nn.Module:
    """Build the model of a config without memory for its weights."""
    with DefaultScope.overwrite_default_scope('rsn_mm'), torch.device('meta'):
        return MODELS.build(cfg.model)


def input_size_of(cfg: Config) -> Sequence[int]:
    """(width, height) in pixels of what the model of a config takes."""
    return tuple(cfg.model.head.decoder.input_size)


def _macs(operator: Any, args: Sequence[Any], output: Tensor) -> int:
    if operator in (aten.convolution, aten.conv2d):
        weight, transposed = args[1], bool(args[6]) if len(args) > 6 else False
        # A transposed convolution multiplies each element that comes in by a whole filter.
        return (args[0].numel() if transposed else output.numel()) * weight[0].numel()
    if operator in (aten.addmm, aten.mm, aten.bmm, aten.linear, aten.matmul):
        left = args[1] if operator is aten.addmm else args[0]
        return output.numel() * left.shape[-1]
    return 0


def _operations(operator: Any, args: Sequence[Any], output: Tensor) -> int:
    if operator in FREE:
        return 0
    if operator in REDUCTIONS:
        return args[0].numel()
    if operator in POOLINGS:
        kernel = args[1] if isinstance(args[1], (list, tuple)) else [args[1]]
        return output.numel() * kernel[0] * kernel[-1]
    return output.numel() * OPERATIONS_PER_ELEMENT.get(operator, 1)

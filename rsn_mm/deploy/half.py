"""A network in half precision that takes and gives float32."""
from functools import partial
from typing import Any, Tuple

import torch
from mmpose.models.pose_estimators.base import BasePoseEstimator
from torch import Tensor, nn

from ..models import MultiStageHead


def compute_in(estimator: BasePoseEstimator, dtype: torch.dtype) -> None:
    """Cast the network of a pose estimator to ``dtype``, once and in place.

    Images are cast where they enter the backbone. Of a :class:`MultiStageHead` the convolution that makes the last heatmaps
    (and what may refine them) stays float32, as rounding of heatmaps moves joints; any other head stays float32 altogether.

    Args:
        estimator (BasePoseEstimator): With ``backbone``, ``head``, and perhaps ``neck``; for prediction alone.
        dtype (torch.dtype): float32 changes nothing.
    """
    if dtype == torch.float32:
        return
    estimator.backbone.to(dtype).register_forward_pre_hook(partial(_cast_inputs, dtype))
    body = getattr(estimator, 'neck', None) or estimator.backbone
    body.to(dtype)
    head = estimator.head
    if not isinstance(head, MultiStageHead):
        body.register_forward_hook(_float32_outputs)
        return
    head.to(dtype)
    head.predictors[-1][-1][-1].float().register_forward_pre_hook(partial(_cast_inputs, torch.float32))
    if head.heatmap_prms is not None:
        head.heatmap_prms[-1][-1].float()


def _cast_inputs(dtype: torch.dtype, module: nn.Module, inputs: Tuple[Any, ...]) -> Tuple[Any, ...]:
    return tuple(cast(one, dtype) for one in inputs)


def _float32_outputs(module: nn.Module, inputs: Any, outputs: Any) -> Any:
    return cast(outputs, torch.float32)


def cast(value: Any, dtype: torch.dtype) -> Any:
    """Tensors, alone or in lists and tuples, in another dtype."""
    if isinstance(value, Tensor):
        return value.to(dtype)
    return type(value)(cast(one, dtype) for one in value) if isinstance(value, (list, tuple)) else value

"""MMCV's extension module; its name is ``mmcv._ext`` where :mod:`rsn_mm.compat.mmcv_ops` puts it.

Every public name is there, as the import of ``mmcv.ops`` requires. An op that is not implemented here raises when it is
called.
"""
from typing import Any, Callable, NoReturn

from ..mmcv_ops import remedy
from .deform_conv import (
    deform_conv_backward_input,
    deform_conv_backward_parameters,
    deform_conv_forward,
    modulated_deform_conv_backward,
    modulated_deform_conv_forward,
)
from .focal_loss import (
    sigmoid_focal_loss_backward,
    sigmoid_focal_loss_forward,
    softmax_focal_loss_backward,
    softmax_focal_loss_forward,
)
from .ms_deform_attn import ms_deform_attn_backward, ms_deform_attn_forward
from .nms import nms, nms_match, softnms
from .roi_align import roi_align_backward, roi_align_forward
from .roi_pool import roi_pool_backward, roi_pool_forward

__all__ = [
    'deform_conv_backward_input', 'deform_conv_backward_parameters', 'deform_conv_forward', 'get_compiler_version',
    'get_compiling_cuda_version', 'modulated_deform_conv_backward', 'modulated_deform_conv_forward',
    'ms_deform_attn_backward', 'ms_deform_attn_forward', 'nms', 'nms_match', 'roi_align_backward', 'roi_align_forward',
    'roi_pool_backward', 'roi_pool_forward', 'sigmoid_focal_loss_backward', 'sigmoid_focal_loss_forward',
    'softmax_focal_loss_backward', 'softmax_focal_loss_forward', 'softnms'
]


def get_compiler_version() -> str:
    """What compiled the ops, for reports on the environment."""
    return 'none (rsn_mm.compat.ops)'


def get_compiling_cuda_version() -> str:
    """The CUDA version that they were compiled for, for reports on the environment."""
    return 'not available'


def __getattr__(name: str) -> Callable[..., NoReturn]:
    if name.startswith('_'):
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

    def not_implemented(*args: Any, **kwargs: Any) -> NoReturn:
        raise NotImplementedError(f'{name} is a compiled op of MMCV that rsn_mm has no PyTorch form of. {remedy()}')

    not_implemented.__name__ = name
    return not_implemented

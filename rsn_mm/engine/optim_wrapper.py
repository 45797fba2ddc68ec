"""MMEngine's optimizer wrappers, without waiting for the device, and with bfloat16 as what ``--amp`` means.

They have the names of MMEngine's, so that a config of scope ``rsn_mm`` and the ``--amp`` of MMPose's training script, which
know these names only, get them.
"""
from typing import Union

import torch
from mmengine.optim import AmpOptimWrapper as MMEngineAmpOptimWrapper
from mmengine.optim import OptimWrapper as MMEngineOptimWrapper

from ..registry import OPTIM_WRAPPERS
from .history import record


class _DeferredGradNorm:
    """Mixin: the gradient norm of ``clip_grad`` is logged without waiting for the device."""

    def _clip_grad(self) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group['params']
                      if p.requires_grad and p.grad is not None]
        if not parameters:
            return
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        if norm is not None:
            record(self.message_hub, f'train/{self.grad_name}', norm)


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_DeferredGradNorm, MMEngineOptimWrapper):
    """MMEngine's ``OptimWrapper``, whose ``clip_grad`` does not wait for the device."""


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(_DeferredGradNorm, MMEngineAmpOptimWrapper):
    """MMEngine's ``AmpOptimWrapper`` that computes in bfloat16 where no ``dtype`` is given.

    bfloat16 has the range of float32, so its loss is never scaled, whatever ``loss_scale`` says. With ``dtype='float16'``
    it is MMEngine's: the scale is dynamic, and the optimizer waits for the device to tell whether gradients overflowed,
    except with ``optimizer=dict(fused=True)``.

    Args:
        loss_scale (str | float | dict): As in MMEngine, for float16. Defaults to 'dynamic'.
        dtype (str | torch.dtype): 'bfloat16' or 'float16'. Defaults to 'bfloat16'.
        **kwargs: Arguments of MMEngine's ``AmpOptimWrapper``: ``optimizer``, ``accumulative_counts``, ``clip_grad``.
    """

    def __init__(self,
                 loss_scale: Union[str, float, dict] = 'dynamic',
                 dtype: Union[str, torch.dtype] = 'bfloat16',
                 **kwargs) -> None:
        super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
        if self.cast_dtype == torch.bfloat16:
            self.loss_scaler = torch.amp.GradScaler(enabled=False)

"""MMEngine's optimizer wrappers, without waiting for the device, and with bfloat16 as what ``--amp`` means.

They have the names of MMEngine's, so that a config of scope ``rsn_mm`` and the ``--amp`` of MMPose's training script, which
know these names only, get them.
"""
import logging
from typing import TYPE_CHECKING, Any, Union

import torch
from mmengine.logging import print_log
from mmengine.optim import AmpOptimWrapper as MMEngineAmpOptimWrapper
from mmengine.optim import OptimWrapper as MMEngineOptimWrapper
from torch import Tensor

from ..registry import OPTIM_WRAPPERS
from .history import record

if TYPE_CHECKING:  # what the mixins stand in front of
    from mmengine.optim import OptimWrapper as _Wrapper
else:
    _Wrapper = object


class _DeferredGradNorm(_Wrapper):
    """Mixin: the gradient norm of ``clip_grad`` is logged without waiting for the device."""

    def _clip_grad(self) -> None:
        parameters = [p for group in self.optimizer.param_groups for p in group['params']
                      if p.requires_grad and p.grad is not None]
        if not parameters:
            return
        norm = self.clip_func(parameters, **self.clip_grad_kwargs)
        if norm is not None:
            record(self.message_hub, f'train/{self.grad_name}', norm)


class _LoadsStates(_Wrapper):
    """Mixin: states of an optimizer in other layouts are taken over, and those of other groups are refused with the reason."""

    def load_state_dict(self, state_dict: dict) -> None:
        saved, own = (len(groups) for groups in (state_dict['param_groups'], self.optimizer.param_groups))
        if saved != own:
            raise ValueError(f"The checkpoint's optimizer has {saved} groups of parameters, that of the config has {own}. If "
                             "it comes from a run with MMEngine's constructor, resume it with --cfg-options "
                             'optim_wrapper.constructor=mmengine.DefaultOptimWrapperConstructor; else let paramwise_cfg be '
                             'what it was.')
        super().load_state_dict(state_dict)
        for parameter, state in self.optimizer.state.items():
            for name, value in state.items():
                if isinstance(value, Tensor) and value.shape == parameter.shape and value.stride() != parameter.stride():
                    # Fused optimizers want moments laid out as their weights.
                    state[name] = torch.empty_like(parameter, dtype=value.dtype, requires_grad=False).copy_(value)


@OPTIM_WRAPPERS.register_module()
class OptimWrapper(_DeferredGradNorm, _LoadsStates, MMEngineOptimWrapper):
    """MMEngine's ``OptimWrapper``, whose ``clip_grad`` does not wait for the device."""


@OPTIM_WRAPPERS.register_module()
class AmpOptimWrapper(_DeferredGradNorm, _LoadsStates, MMEngineAmpOptimWrapper):
    """MMEngine's ``AmpOptimWrapper`` that computes in bfloat16 where no ``dtype`` is given.

    bfloat16 has the range of float32, so its loss is never scaled, whatever ``loss_scale`` says. With ``dtype='float16'``
    it is MMEngine's: the scale is dynamic, and the optimizer waits for the device to tell whether gradients overflowed,
    except with ``optimizer=dict(fused=True)``, which is the default for Adam on a GPU.

    GPUs before compute capability 8.0 (GTX 16xx, RTX 20xx, V100) only emulate bfloat16, slowly: there it is float16.

    Args:
        loss_scale (str | float | dict): As in MMEngine, for float16. Defaults to 'dynamic'.
        dtype (str | torch.dtype, optional): 'bfloat16' or 'float16'. Defaults to what the device computes fast, see above.
        **kwargs: Arguments of MMEngine's ``AmpOptimWrapper``: ``optimizer``, ``accumulative_counts``, ``clip_grad``.
    """

    def __init__(self,
                 loss_scale: Union[str, float, dict] = 'dynamic',
                 dtype: Union[str, torch.dtype, None] = None,
                 **kwargs: Any) -> None:
        emulates = _emulates_bfloat16()
        if dtype is None:
            dtype = 'float16' if emulates else 'bfloat16'
            print_log(f'Computing in {dtype} where that is safe (--amp).', 'current')
        elif emulates and dtype in ('bfloat16', torch.bfloat16):
            print_log(f"dtype='bfloat16' is emulated by {torch.cuda.get_device_name()} and slow; optim_wrapper.dtype=float16 "
                      'is fast.', 'current', logging.WARNING)
        super().__init__(loss_scale=loss_scale, dtype=dtype, **kwargs)
        if self.cast_dtype == torch.bfloat16:
            self.loss_scaler = torch.amp.GradScaler(enabled=False)

    def load_state_dict(self, state_dict: dict) -> None:
        if self.loss_scaler.is_enabled() and state_dict.get('loss_scaler') == {}:
            # Of a run in bfloat16: the scale begins anew.
            state_dict.pop('loss_scaler')
        super().load_state_dict(state_dict)


def _emulates_bfloat16() -> bool:
    return torch.cuda.is_available() and torch.cuda.get_device_capability() < (8, 0)

"""Optimizers as a GPU wants them: few groups of parameters, and one kernel for many of them."""
from typing import Any, Dict, List, Optional, Union

import torch
from mmengine.optim import DefaultOptimWrapperConstructor as MMEngineConstructor
from mmengine.optim import OptimWrapper
from torch import nn

from ..registry import OPTIM_WRAPPER_CONSTRUCTORS

# Equal to their plain forms to rounding, and one pass over weights, gradients and moments instead of a dozen.
FUSED = ('Adam', 'AdamW')
# Arguments that fix the form.
DECISIONS = ('fused', 'foreach', 'capturable', 'differentiable')


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class DefaultOptimWrapperConstructor(MMEngineConstructor):
    """MMEngine's constructor, which every config of scope ``rsn_mm`` gets, with two differences.

    - ``paramwise_cfg`` makes one group of all parameters with equal settings. MMEngine makes one of every parameter, and an
      optimizer works group by group: RSN-18 with AdamW has 345 groups of 2 kinds. Each parameter is updated as before.
    - Where all parameters are on a GPU, Adam and AdamW are fused. They then keep their counters on the device, and with
      float16 the optimizer does not wait for the device. ``optimizer=dict(fused=False)`` or ``foreach=True`` is kept.
    """
    optimizer_cfg: Dict[str, Any]

    def __call__(self, model: nn.Module) -> OptimWrapper:
        is_decided = any(self.optimizer_cfg.get(name) is not None for name in DECISIONS)
        if _has_fused_form(self.optimizer_cfg.get('type')) and not is_decided and _is_on_gpu(model):
            self.optimizer_cfg = dict(self.optimizer_cfg, fused=True)
        return super().__call__(model)

    def add_params(self, params: List[dict], module: nn.Module, prefix: str = '',
                   is_dcn_module: Optional[Union[int, float]] = None) -> None:
        super().add_params(params, module, prefix, is_dcn_module)
        if not prefix:  # the whole model: it calls itself for its parts
            params[:] = merge_groups(params, dict(lr=self.base_lr, weight_decay=self.base_wd))


def merge_groups(groups: List[Dict[str, Any]], defaults: Dict[str, Any]) -> List[Dict[str, Any]]:
    """One group of all with equal settings, in the order in which these first come. ``defaults``: where a group has none."""
    merged: Dict[Any, Dict[str, Any]] = {}
    for group in groups:
        settings = {name: value for name, value in group.items() if name != 'params'}
        key = repr(sorted({**defaults, **settings}.items()))
        parameters = group['params']
        parameters = [parameters] if isinstance(parameters, torch.Tensor) else [*parameters]
        merged.setdefault(key, dict(settings, params=[]))['params'] += parameters
    return list(merged.values())


def _has_fused_form(kind: Any) -> bool:
    return kind in FUSED or kind in [getattr(torch.optim, name) for name in FUSED]


def _is_on_gpu(model: nn.Module) -> bool:
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return bool(parameters) and all(p.device.type == 'cuda' and p.is_floating_point() for p in parameters)

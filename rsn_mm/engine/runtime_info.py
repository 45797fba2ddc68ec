"""The hook that keeps the losses for the log."""
from typing import Any, Dict, Optional

from mmengine.hooks import RuntimeInfoHook as MMEngineRuntimeInfoHook
from mmengine.runner import Runner
from torch import Tensor

from ..registry import HOOKS
from .history import record


@HOOKS.register_module()
class RuntimeInfoHook(MMEngineRuntimeInfoHook):
    """MMEngine's hook, which fetches every loss from the device at every iteration, without that.

    Losses are fetched when they are read: at a line of the log, and for a checkpoint. Log and checkpoints are the same.
    In a config: ``default_hooks = dict(runtime_info=dict(type='rsn_mm.RuntimeInfoHook'))``.
    """

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Optional[Dict[str, Any]] = None) -> None:
        for name, value in (outputs or {}).items():
            if isinstance(value, Tensor):
                record(runner.message_hub, f'train/{name}', value)
            else:
                runner.message_hub.update_scalar(f'train/{name}', value)

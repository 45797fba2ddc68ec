"""Tests on a fused copy of the model."""
from typing import Dict, Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..deploy.fuse import fuse
from ..registry import HOOKS


@HOOKS.register_module()
class FuseHook(Hook):
    """Lets a test run on what :func:`rsn_mm.deploy.fuse` makes of the model, and puts the model back after it.

    Training and validation are left alone. It comes after ``EMAHook``, so the averaged weights are the ones that are
    fused. Processes of a distributed test each use a copy without their wrapper, as nothing is exchanged. A model that is
    compiled or spread over several devices is tested as it is.
    """
    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self._unfused: Optional[nn.Module] = None

    def before_test_epoch(self, runner: Runner) -> None:
        model = runner.model.module if isinstance(runner.model, DistributedDataParallel) else runner.model
        if is_model_wrapper(model) or 'test_step' in vars(model):  # where Runner puts a compiled step
            runner.logger.info('The test runs on the model as it is: one that is compiled or spread is not fused.')
            return
        self._unfused, runner.model = runner.model, fuse(model)
        runner.logger.info('The test runs on a fused copy of the model.')

    def after_test_epoch(self, runner: Runner, metrics: Optional[Dict[str, float]] = None) -> None:
        if self._unfused is not None:
            runner.model, self._unfused = self._unfused, None

"""Tests on a fused copy of the model."""
from typing import Dict, Optional

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..deploy.fuse import fuse
from ..deploy.half import compute_in
from ..deploy.metadata import check_choice
from ..deploy.precision import DTYPES, PRECISIONS, select, torch_precisions
from ..registry import HOOKS


@HOOKS.register_module()
class FuseHook(Hook):
    """Lets a test run on what :func:`rsn_mm.deploy.fuse` makes of the model, and puts the model back after it.

    Training and validation are left alone. It comes after ``EMAHook``, so the averaged weights are the ones that are
    fused. Processes of a distributed test each use a copy without their wrapper, as nothing is exchanged. A model that is
    compiled or spread over several devices is tested as it is.

    Args:
        precision (str): What the copy computes in: 'float32', 'bfloat16', 'float16', or 'auto', see
            :func:`rsn_mm.deploy.load_runtime`. Defaults to 'float32', in which results are reported.

    Raises:
        ValueError: if ``precision`` is not known; when the test begins, if the device does not have it.
    """
    priority = 'VERY_LOW'

    def __init__(self, precision: str = 'float32') -> None:
        check_choice('precision', precision, PRECISIONS)
        self.precision = precision
        self._unfused: Optional[nn.Module] = None

    def before_test_epoch(self, runner: Runner) -> None:
        model = runner.model.module if isinstance(runner.model, DistributedDataParallel) else runner.model
        if is_model_wrapper(model) or _is_compiled(model):
            if self.precision not in ('auto', 'float32'):
                raise ValueError(f'precision={self.precision!r} of FuseHook is for a fused copy of the model, and one that is '
                                 'compiled or spread is tested as it is. Leave out compile=True, or the precision.')
            runner.logger.info('The test runs on the model as it is: one that is compiled or spread is not fused.')
            return
        device = next(model.parameters()).device
        precision = select(self.precision, torch_precisions(device), f'PyTorch on {device}')
        fused = fuse(model)
        compute_in(fused, DTYPES[precision])
        self._unfused, runner.model = runner.model, fused
        runner.logger.info(f'The test runs on a fused copy of the model, in {precision}.')

    def after_test_epoch(self, runner: Runner, metrics: Optional[Dict[str, float]] = None) -> None:
        if self._unfused is not None:
            runner.model, self._unfused = self._unfused, None


def _is_compiled(model: nn.Module) -> bool:
    """Whether Runner compiled its step, or our adapter its network."""
    return 'test_step' in vars(model) or getattr(getattr(model, 'backbone', None), '_compiled_call_impl', None) is not None

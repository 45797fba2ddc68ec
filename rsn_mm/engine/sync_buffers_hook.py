"""Running statistics that are the same in all processes, averaged weights included."""
from typing import Any, Iterator, List

from mmengine.dist import all_reduce_params
from mmengine.hooks import EMAHook, Hook
from mmengine.runner import Runner
from torch import Tensor, nn

from ..registry import HOOKS


@HOOKS.register_module()
class SyncBuffersHook(Hook):
    """Averages running means and variances, such as those of batch norm, over all processes.

    Other buffers are constants that are the same everywhere, such as the tables of targets: an average of equal numbers may
    differ from them in the last bit.

    It does so at the end of a training epoch, before a checkpoint is written, and before validation. MMEngine's hook of this
    name leaves out the copy of the network that ``EMAHook`` keeps: each process then validates with statistics of its own,
    and the checkpoint holds those of the first. Without other processes nothing happens.
    """
    priority = 'NORMAL'

    def after_train_epoch(self, runner: Runner) -> None:
        self._average(runner)

    def before_val_epoch(self, runner: Runner) -> None:
        self._average(runner)

    def _average(self, runner: Runner) -> None:
        for model in _models(runner):
            all_reduce_params(_running_statistics(model), op='mean')


def _running_statistics(model: nn.Module) -> List[Tensor]:
    return [buffer for name, buffer in model.named_buffers() if name.rpartition('.')[2] in ('running_mean', 'running_var')]


def _models(runner: Runner) -> Iterator[Any]:
    yield runner.model
    for hook in runner.hooks:
        # Made when the training begins.
        averaged = getattr(hook, 'ema_model', None) if isinstance(hook, EMAHook) else None
        if isinstance(averaged, nn.Module):
            yield averaged.module

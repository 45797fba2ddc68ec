"""A stop where losses or weights are no numbers any more, before a checkpoint could keep them."""
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from torch import Tensor

from ..codecs.gaussian_targets import PEAK
from ..registry import HOOKS

# MMPose's losses for targets that peak at 1.
UP_TO_ONE = ('AdaptiveWingLoss', 'FocalHeatmapLoss')


@HOOKS.register_module()
class LossGuardHook(Hook):
    """Stops training at NaN or infinite losses and weights, and names the iteration and the losses that became so first.

    All losses since the last look are looked at together, every ``interval`` iterations and before a checkpoint is
    written: between these, with ``rsn_mm.RuntimeInfoHook``, nothing waits for the device. A checkpoint whose weights are not
    finite is never written, so the last one on the disk is good.

    Args:
        interval (int): Iterations between looks; best that of the log, which fetches the losses too. Defaults to 50.

    Raises:
        ValueError: if ``interval`` is no positive integer.
        FloatingPointError: in training, with the iteration, the losses and the last good checkpoint.
    """

    def __init__(self, interval: int = 50) -> None:
        if not isinstance(interval, int) or interval < 1:
            raise ValueError(f'interval={interval!r} must be a number of iterations, at least 1.')
        self.interval = interval

    def before_train(self, runner: Runner) -> None:
        self._looked_at = self._done = runner.iter
        self._losses: List[str] = []

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: Any = None,
                         outputs: Optional[Dict[str, Any]] = None) -> None:
        self._done = runner.iter + 1
        self._losses = [name for name in outputs or () if 'loss' in name]
        if self.every_n_train_iters(runner, self.interval) or self._done == runner.max_iters:
            self._look_at_losses(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        if not hasattr(self, '_done'):  # no training
            return
        self._look_at_losses(runner)
        for part in ('state_dict', 'ema_state_dict'):
            broken = _not_finite(checkpoint.get(part) or {})
            if broken:
                raise FloatingPointError(f'After iteration {self._done} weights are NaN or infinite ({", ".join(broken[:3])}, '
                                         f'{len(broken)} in all), though the losses were finite. {_advice(runner)}')

    def _look_at_losses(self, runner: Runner) -> None:
        count, self._looked_at = self._done - self._looked_at, self._done
        histories = {name: runner.message_hub.log_scalars.get(f'train/{name}') for name in self._losses}
        values = {name: history.data[0][-count:] for name, history in histories.items() if history is not None}
        if not count or not values:
            return
        finite = np.stack([np.isfinite(losses[-min(map(len, values.values())):]) for losses in values.values()])
        if finite.all():
            return
        first = int(finite.all(axis=0).argmin())
        iteration = self._done - finite.shape[1] + first + 1
        broken = {name: losses[first - finite.shape[1]] for name, losses in values.items()}
        broken = {name: value for name, value in broken.items() if not np.isfinite(value)}
        units = {name: value for name, value in broken.items() if name != 'loss'} or broken
        shown = ', '.join(f'{name} = {value}' for name, value in units.items())
        raise FloatingPointError(f'At iteration {iteration} ({len(runner.train_dataloader)} make an epoch) {shown}. '
                                 f'{_advice(runner)}')


def _advice(runner: Runner) -> str:
    last = find_latest_checkpoint(runner.work_dir)
    kept = f'The last checkpoint, {last!r}, was written before that. ' if last else 'No checkpoint has been written yet. '
    return (f'Training stops. {kept}Look for faults of the data with `python tools/check_dataset.py CONFIG`; then lower '
            'optim_wrapper.optimizer.lr, warm up longer, or set optim_wrapper.clip_grad=dict(max_norm=...). With float16 '
            f"take dtype='bfloat16'.{_advice_on_peaks(runner)}")


def _advice_on_peaks(runner: Runner) -> str:
    """Losses that take logarithms or powers of the target are NaN at once where it is not within 0 to 1."""
    losses = {type(module).__name__ for module in runner.model.modules()} if runner.model is not None else set()
    found = sorted(losses & set(UP_TO_ONE))
    return f' {", ".join(found)} needs targets from 0 to 1; those of QuarterOffsetHeatmap peak at {PEAK:.0f}: take a loss ' \
           "that allows this (KeypointMSELoss, KeypointOHKMMSELoss), or a codec whose targets peak at 1 (MSRAHeatmap)." \
           if found else ''


def _not_finite(weights: Dict[str, Any]) -> Sequence[str]:
    return [name for name, value in weights.items()
            if isinstance(value, Tensor) and value.is_floating_point() and not torch.isfinite(value).all()]

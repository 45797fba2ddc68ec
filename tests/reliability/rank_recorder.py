"""What ``test_distributed.py`` adds to its configs by ``custom_imports``: a hook that writes down what a process saw."""
import json
from pathlib import Path
from typing import Any, Dict, Optional

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.nn.modules.batchnorm import _BatchNorm

from rsn_mm.registry import HOOKS, TRANSFORMS


@HOOKS.register_module()
class RankRecorder(Hook):
    """Each process writes what it saw into the folder ``ranks`` of the work folder.

    ``train_RANK_EPOCH.json`` is about an epoch of training, ``val_RANK_EPOCH.json`` holds the sum of each buffer that
    validation uses, ``saved_RANK_EPOCH.json`` tells that a checkpoint was written.

    Args:
        freeze_norms (bool): Let batch norms use their running statistics in training, too.
        poisoned (int, optional): Iteration from which the second process has a weight that is NaN.
    """
    priority = 'VERY_LOW'  # after hooks that change the model

    def __init__(self, freeze_norms: bool = False, poisoned: Optional[int] = None) -> None:
        self.freeze_norms = freeze_norms
        self.poisoned = poisoned

    def before_train_epoch(self, runner: Runner) -> None:
        self.iterations = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        if self.freeze_norms:
            for module in runner.model.modules():
                if isinstance(module, _BatchNorm):
                    module.eval()
        if runner.iter == self.poisoned and get_rank() == 1:
            next(runner.model.parameters()).data.fill_(torch.nan)

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        samples = data_batch['data_samples']
        self.iterations.append(dict(
            losses={name: value.item() for name, value in outputs.items()},
            persons=[sample.id for sample in samples],
            draws=[sample.get('draw') for sample in samples]))

    def after_train_epoch(self, runner: Runner) -> None:
        self._write('train', runner, runner.epoch + 1, dict(
            iterations=self.iterations,
            finds_unused_parameters=getattr(runner.model, 'find_unused_parameters', None),
            weights=[parameter.double().sum().item() for parameter in runner.model.parameters()]))

    def before_val_epoch(self, runner: Runner) -> None:
        self._write('val', runner, runner.epoch, _sums(dict(runner.model.named_buffers())))

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        self._write('saved', runner, checkpoint['meta']['epoch'], {})

    def _write(self, kind: str, runner: Runner, epoch: int, content: dict) -> None:
        path = Path(runner.work_dir) / 'ranks' / f'{kind}_{get_rank()}_{epoch}.json'
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))


def _sums(tensors: Dict[str, torch.Tensor]) -> Dict[str, float]:
    return {name.removeprefix('module.'): tensor.double().sum().item() for name, tensor in tensors.items()}


@TRANSFORMS.register_module()
class Draw:
    """Keeps a random number beside a sample, as random as its augmentation."""

    def __call__(self, results: dict) -> dict:
        results['draw'] = np.random.rand()
        return results

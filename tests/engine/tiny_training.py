"""A training of seconds, to interrupt and to resume."""
import json
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

import numpy as np
import pytest
import torch
from mmengine.dataset import BaseDataset
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner

from rsn_mm.engine import CheckpointHook, EpochSeedHook

SIGMAS = np.array([.026, .025], np.float32)
EPOCHS = 4
HUB = 'message_hub'


class Samples(BaseDataset):
    """Six numbers, each with noise drawn anew whenever it is loaded."""
    METAINFO = dict(sigmas=SIGMAS, flip_pairs=[(0, 1)])

    def load_data_list(self) -> List[dict]:
        return [dict(x=float(i)) for i in range(6)]


def noisy(results: dict) -> dict:
    noise = np.random.rand() + torch.rand(()).item()
    return dict(inputs=torch.full((10000, ), results['x'] + noise))


class Line(BaseModel):

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.line = torch.nn.Linear(10000, 1)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, inputs: List[torch.Tensor], mode: str) -> Any:
        out = self.line(self.dropout(torch.stack(inputs))) / 100
        return dict(loss=(out - 1).pow(2).mean()) if mode == 'loss' else [out.detach()]


class Score(BaseMetric):
    """Better with every epoch, unless ``worse`` lists it."""

    def __init__(self, runs: List[int], worse: List[int]) -> None:
        super().__init__(prefix='test')
        self.runs, self.worse = runs, worse
        self.epoch: Callable[[], int] = lambda: 0

    def process(self, data_batch: Any, data_samples: Any) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list) -> Dict[str, float]:
        self.runs.append(self.epoch())
        score = np.float64(-1 if self.epoch() in self.worse else self.epoch())
        return dict(score=score, error=score)


class Interrupted(Exception):
    pass


class Interrupt(Hook):
    """Stops the run at one point, like a kill: nothing is cleaned up after it."""
    priority = 'LOWEST'

    def __init__(self, point: str, epoch: int) -> None:
        def stop(runner: Runner, *args: Any, **kwargs: Any) -> None:
            if runner.epoch == epoch:
                raise Interrupted
        setattr(self, point, stop)


class Experiment:
    """Runs of one training in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.validated: List[int] = []

    def run(self, *hooks: Hook, resume: Any = False, checkpoint: Optional[Hook] = None, workers: int = 0, seed: Any = 5,
            worse: Any = (), by_epoch: bool = True, epochs: int = EPOCHS, dropout: float = .5,
            log_level: str = 'ERROR', **hook_args: Any) -> Runner:
        data = dict(batch_size=2, num_workers=workers, persistent_workers=workers > 0)
        sampler = dict(type='DefaultSampler' if by_epoch else 'InfiniteSampler', shuffle=True)
        metric = Score(self.validated, list(worse))
        hook_args = dict(dict(interval=1, max_keep_ckpts=2, save_best='test/score', rule='greater'), **hook_args)
        torch.manual_seed(0)
        runner = Runner(
            Line(dropout), str(self.folder),
            train_dataloader=dict(data, dataset=Samples(pipeline=[noisy], serialize_data=False), sampler=sampler),
            val_dataloader=dict(batch_size=6, dataset=Samples(pipeline=[noisy], serialize_data=False),
                                sampler=dict(type='DefaultSampler', shuffle=False)),
            train_cfg=dict(by_epoch=True, max_epochs=epochs) if by_epoch else dict(
                by_epoch=False, max_iters=3 * epochs, val_interval=3),
            val_cfg=dict(), val_evaluator=[metric],
            optim_wrapper=dict(optimizer=dict(type='Adam', lr=1e-3)),
            param_scheduler=dict(type='LinearLR', end=10, by_epoch=False),
            default_hooks=dict(checkpoint=checkpoint or CheckpointHook(by_epoch=by_epoch, **hook_args),
                               sampler_seed=EpochSeedHook(), logger=dict(type='LoggerHook', interval=1)),
            custom_hooks=[EMAHook(momentum=.2), *hooks],
            log_level=log_level, resume=bool(resume), load_from=resume if isinstance(resume, str) else None,
            randomness=dict(seed=seed), experiment_name=f'{self.folder}_{len(os.listdir(self.folder))}')
        metric.epoch = lambda: runner.epoch
        try:
            runner.train()
        finally:
            if workers:  # Left to the garbage collector, they end after seconds.
                runner.train_dataloader._iterator._shutdown_workers()
        return runner

    def interrupted(self, point: str, epoch: int, **kwargs: Any) -> None:
        with pytest.raises(Interrupted):
            self.run(Interrupt(point, epoch), **kwargs)

    def saved(self, name: str = f'epoch_{EPOCHS}.pth') -> dict:
        return torch.load(self.folder / name, weights_only=True)

    @property
    def names(self) -> List[str]:
        return sorted(path.name for path in self.folder.glob('*.pth'))

    @property
    def losses(self) -> List[float]:
        """What the log files of all runs say."""
        lines = [line for path in sorted(self.folder.glob('*/vis_data/scalars.json')) for line in path.read_text().splitlines()]
        return [entry['loss'] for entry in map(json.loads, lines) if 'loss' in entry]


def assert_same_end(one: Experiment, other: Experiment, name: str = f'epoch_{EPOCHS}.pth') -> None:
    a, b = one.saved(name), other.saved(name)
    for part in ('state_dict', 'ema_state_dict'):
        assert a[part].keys() == b[part].keys()
        assert [key for key in a[part] if not torch.equal(a[part][key], b[part][key])] == []
    for state, expected in zip(b['optimizer']['state'].values(), a['optimizer']['state'].values()):
        assert all(torch.equal(state[key], expected[key]) for key in expected)
    assert a['param_schedulers'] == b['param_schedulers']
    for key in ('train/loss', 'train/lr', 'val/test/score'):
        values, expected = (checkpoint[HUB]['log_scalars'][key]['values'] for checkpoint in (b, a))
        assert torch.equal(values, expected) and len(values) > 2, key
    assert a[HUB]['runtime_info']['best_score'] == b[HUB]['runtime_info']['best_score']

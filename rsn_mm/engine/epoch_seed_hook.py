"""Randomness that depends on seed and epoch alone, so that a resumed run goes on as an uninterrupted one would."""
import random
from typing import Any, Iterator

import numpy as np
import torch
from mmengine.dist import get_rank
from mmengine.hooks import DistSamplerSeedHook
from mmengine.runner import EpochBasedTrainLoop, Runner

from ..datasets import PhotoWindowSampler
from ..registry import HOOKS
from ..shared import SharedArray


class SeedOnceAnEpoch:
    """First step of a pipeline: seeds a worker process at its first sample of each epoch, and passes samples on.

    Args:
        seed (int): The run's seed.
        rank (int): The process of distributed training.
        epoch (SharedArray): (1, ), int64, which the worker processes share: the epoch to come.
    """
    # Of this process: all pipelines of a worker draw from the same generators.
    seeded_for: Any = None

    def __init__(self, seed: int, rank: int, epoch: SharedArray) -> None:
        self.seed, self.rank, self.epoch = seed, rank, epoch

    def __call__(self, results: dict) -> dict:
        worker = torch.utils.data.get_worker_info()
        if worker is not None:  # The hook seeds the main process.
            wanted = (self.seed, int(self.epoch.array[0]), self.rank, 1 + worker.id)
            if SeedOnceAnEpoch.seeded_for != wanted:
                SeedOnceAnEpoch.seeded_for = wanted
                seed_generators(*wanted)
        return results


@HOOKS.register_module()
class EpochSeedHook(DistSamplerSeedHook):
    """Tells the sampler the epoch, as ``DistSamplerSeedHook`` does, and seeds all generators anew at each epoch's start.

    MMEngine seeds worker processes when they start: those that stay alive draw what the epochs before left, so that a resumed
    run augments differently; those that start anew for each epoch draw the same again and again. Here the seed is made of the
    run's seed, the epoch, the rank and the worker. Loops by iteration are left alone: MMEngine resumes them by loading
    again all that they had loaded.
    """

    def before_run(self, runner: Runner) -> None:
        self._seed_before_resuming = runner.seed

    def before_train(self, runner: Runner) -> None:
        self._is_by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
        loader = runner.train_loop.dataloader
        sampler = loader.sampler if hasattr(loader.sampler, 'seed') else getattr(loader.batch_sampler, 'sampler', None)
        if isinstance(sampler, PhotoWindowSampler):
            sampler.batch_size, sampler.num_workers = loader.batch_size, loader.num_workers
        if not self._is_by_epoch:
            return
        if sampler is not None and getattr(sampler, 'seed', None) == self._seed_before_resuming:
            # A run without a fixed seed resumes with the seed of the checkpoint, but its sampler was made before.
            sampler.seed = runner.seed
        if loader.generator is None:
            # A loader draws a seed whenever its workers start: persistent ones do so when a run is resumed, too.
            loader.generator = torch.Generator()
        self._epoch = SharedArray(1, np.int64)
        self._epoch.array[0] = runner.epoch
        for pipeline in _pipelines(loader.dataset):
            pipeline.transforms.insert(0, SeedOnceAnEpoch(runner.seed, get_rank(), self._epoch))

    def before_train_epoch(self, runner: Runner) -> None:
        super().before_train_epoch(runner)
        if self._is_by_epoch:
            self._epoch.array[0] = runner.epoch
            seed_generators(runner.seed, runner.epoch, get_rank(), 0)


def seed_generators(*words: int) -> None:
    """Seed Python's, numpy's and PyTorch's generators of this process from numbers >= 0."""
    for_python, for_numpy, for_torch = map(int, np.random.SeedSequence(words).generate_state(3))
    random.seed(for_python)
    np.random.seed(for_numpy)
    torch.manual_seed(for_torch)


def _pipelines(dataset: Any) -> Iterator[Any]:
    """The pipelines of a data set and of those that it wraps or joins."""
    if hasattr(getattr(dataset, 'pipeline', None), 'transforms'):
        yield dataset.pipeline
    for name in ('dataset', '_dataset', 'datasets'):
        inner = vars(dataset).get(name, ())
        for part in inner if isinstance(inner, (list, tuple)) else (inner, ):
            yield from _pipelines(part)

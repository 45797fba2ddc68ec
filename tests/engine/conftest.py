"""Training runs of a tiny network, without files but for logs and checkpoints."""
import os
from pathlib import Path
from typing import Any, Callable, List

import pytest
import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset

from rsn_mm.models import PoseDataPreprocessor

from ..conftest import load_script

training = load_script(Path(__file__).with_name('tiny_training.py'))

NUM_ITERS, LOG_INTERVAL = 7, 3


class Persons(Dataset):
    """As MMPose's data sets give them: an image and its data sample."""

    def __init__(self, samples: List[Any]) -> None:
        self.samples = samples
        generator = torch.Generator().manual_seed(0)
        self.images = [torch.randint(256, (3, 64, 64), dtype=torch.uint8, generator=generator) for _ in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=self.images[index], data_samples=self.samples[index].clone())


@pytest.fixture
def make_runner(make_estimator: Callable, make_samples: Callable, codec_cfg: Callable, tmp_path: Path) -> Callable[..., Runner]:
    """A Runner of an epoch of 7 iterations that logs after the 3rd and the 6th; every call begins with the same weights."""

    def make(name: str = 'run', optim_wrapper: dict = dict(), model: dict = dict(), **kwargs: Any) -> Runner:
        samples = make_samples(codec_cfg(), batch_size=2 * NUM_ITERS, num_keypoints=5)
        torch.manual_seed(0)
        defaults = dict(
            work_dir=str(tmp_path / name),
            experiment_name=f'{tmp_path.name}_{name}',
            train_dataloader=DataLoader(Persons(samples), batch_size=2, collate_fn=_collate),
            train_cfg=dict(by_epoch=True, max_epochs=1),
            optim_wrapper={**dict(optimizer=dict(type='Adam', lr=1e-3), clip_grad=dict(max_norm=1.)), **optim_wrapper},
            default_hooks=dict(
                runtime_info=dict(type='rsn_mm.RuntimeInfoHook'), logger=dict(type='LoggerHook', interval=LOG_INTERVAL)),
            default_scope='rsn_mm',
            randomness=dict(seed=0),
            visualizer=dict(type='Visualizer', vis_backends=[dict(type='LocalVisBackend')], name=f'{tmp_path.name}_{name}'))
        estimator = make_estimator(**model)
        estimator.data_preprocessor = PoseDataPreprocessor(mean=[120.] * 3, std=[60.] * 3, bgr_to_rgb=True)
        return Runner(model=estimator, **{**defaults, **kwargs})

    return make


def _collate(batch: List[dict]) -> dict:
    return {key: [entry[key] for entry in batch] for key in batch[0]}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here survives a power cut, and disks that others use are slow."""
    monkeypatch.setattr(os, 'fsync', lambda descriptor: None)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Any]:
    """A tiny training in a folder of its own, by name."""
    def make_experiment(name: str = 'run') -> Any:
        (tmp_path / name).mkdir()
        return training.Experiment(tmp_path / name)

    return make_experiment

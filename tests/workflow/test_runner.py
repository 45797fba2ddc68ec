"""Training, resuming, loading and testing by MMEngine's Runner, in this process."""
import json
from pathlib import Path
from typing import Any, Dict

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner


class Losses(Hook):
    """Keeps what the log shows of every iteration."""

    def __init__(self) -> None:
        self.logged = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.logged.append({name: float(value) for name, value in outputs.items()})


def train(config: Config, **changes: Any) -> Runner:
    config = config.copy()
    config.merge_from_dict(changes)
    runner = Runner.from_cfg(config)
    runner.losses = Losses()
    runner.register_hook(runner.losses)
    runner.train()
    return runner


def test_every_unit_has_its_loss_in_the_log(tiny_config: Config) -> None:
    logged = train(tiny_config).losses.logged
    assert {'loss', 'loss_s1u1', 'loss_s1u2'} == set(logged[0])
    assert logged[0]['loss'] == pytest.approx(logged[0]['loss_s1u1'] + logged[0]['loss_s1u2'], rel=1e-5)
    assert all(np.isfinite(value) for entry in logged for value in entry.values())


def test_training_learns_what_it_sees_again_and_again(tiny_config: Config) -> None:
    pipeline = tiny_config.train_dataloader.dataset.pipeline
    pipeline[:] = [step for step in pipeline if not step.type.startswith('Random')]
    logged = train(tiny_config, **{'train_cfg.max_epochs': 30, 'train_cfg.val_interval': 40,
                                   'default_hooks.checkpoint.interval': 40,
                                   'optim_wrapper.optimizer.lr': 0.02, 'param_scheduler': []}).losses.logged
    per_epoch = len(logged) // 30
    first, last = (np.mean([entry['loss'] for entry in epoch]) for epoch in (logged[:per_epoch], logged[-per_epoch:]))
    assert last < 0.93 * first


def test_resumed_training_ends_where_uninterrupted_training_ends(tiny_config: Config, tmp_path: Path) -> None:
    schedule = {'param_scheduler': [dict(type='LinearLR', begin=0, end=20, start_factor=0.1, by_epoch=False)]}
    whole = train(tiny_config, **schedule, work_dir=str(tmp_path / 'whole'), experiment_name='whole',
                  **{'train_cfg.max_epochs': 2})
    train(tiny_config, **schedule, work_dir=str(tmp_path / 'part'), experiment_name='part1')
    resumed = train(tiny_config, **schedule, work_dir=str(tmp_path / 'part'), experiment_name='part2', resume=True,
                    **{'train_cfg.max_epochs': 2})

    per_epoch = len(whole.losses.logged) // 2
    assert resumed.epoch == 2 and resumed.iter == whole.iter
    assert len(resumed.losses.logged) == per_epoch
    history = resumed.message_hub.get_scalar('train/loss').data[0]
    assert len(history) == 2 * per_epoch  # the log of before the interruption is back
    assert resumed.optim_wrapper.get_lr() == whole.optim_wrapper.get_lr()
    for moments in resumed.optim_wrapper.optimizer.state.values():
        assert moments['step'] == 2 * per_epoch


def test_load_from_and_test_reproduce_the_metric_of_training(tiny_config: Config, tmp_path: Path) -> None:
    trained = train(tiny_config)
    in_training = {name: trained.message_hub.get_scalar(f'val/{name}').current() for name in ('coco/AP', 'coco/AR')}

    config = tiny_config.copy()
    config.merge_from_dict(dict(load_from=str(tmp_path / 'work' / 'epoch_1.pth'), experiment_name='tested'))
    config.test_evaluator.outfile_prefix = str(tmp_path / 'results')
    metrics = Runner.from_cfg(config).test()
    assert {name: metrics[name] for name in in_training} == pytest.approx(in_training, abs=1e-12)

    results = json.loads((tmp_path / 'results.keypoints.json').read_text())
    assert {'image_id', 'category_id', 'keypoints', 'score'} <= set(results[0])
    joints = np.array(results[0]['keypoints']).reshape(-1, 3)
    # The pose score is the mean joint score times the box score (paper section 4.1); annotated boxes score 1.
    assert results[0]['score'] == pytest.approx(joints[:, 2].mean(), abs=1e-4)


def test_ema_amp_accumulation_and_clipping_train(tiny_config: Config) -> None:
    runner = train(
        tiny_config,
        custom_hooks=[dict(type='EMAHook', ema_type='ExpMomentumEMA')],
        optim_wrapper=dict(type='AmpOptimWrapper', dtype='bfloat16', accumulative_counts=2, clip_grad=dict(max_norm=1.)))
    assert np.isfinite(runner.losses.logged[-1]['loss'])


def test_no_parameter_is_left_without_gradient(tiny_config: Config) -> None:
    runner = Runner.from_cfg(tiny_config)
    model = runner.model
    batch = next(iter(runner.build_dataloader(tiny_config.train_dataloader)))
    data = model.data_preprocessor(batch, training=True)
    sum(model(**data, mode='loss').values()).backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_a_wrong_checkpoint_stops_the_test(tiny_config: Config, tmp_path: Path) -> None:
    checkpoint: Dict[str, Any] = dict(meta={}, state_dict={'backbone.conv1.weight': torch.zeros(64, 3, 7, 7)})
    torch.save(checkpoint, tmp_path / 'resnet.pth')
    tiny_config.load_from = str(tmp_path / 'resnet.pth')
    with pytest.raises(ValueError, match='does not fit this RSN.*Use the config that the checkpoint was trained with'):
        Runner.from_cfg(tiny_config).test()


def test_spawned_workers_load_data(tiny_config: Config) -> None:
    tiny_config.train_dataloader.update(num_workers=1, multiprocessing_context='spawn')
    tiny_config.train_dataloader.dataset.type = 'mmpose.CocoDataset'  # stock: its module alone does not import
    init_default_scope('rsn_mm')
    batch = next(iter(Runner.build_dataloader(tiny_config.train_dataloader)))
    assert len(batch['inputs']) == 4

"""Tests of a Runner on a fused copy."""
from typing import Any, Callable, List

import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.hooks import EMAHook, Hook
from mmengine.model import MMDistributedDataParallel
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from rsn_mm.compat.compile import compile_network
from rsn_mm.deploy.fuse import PredictionOnly
from rsn_mm.engine import FuseHook


class Joints(BaseMetric):
    """Keeps the joints of a test."""

    def process(self, data_batch: Any, data_samples: List[dict]) -> None:
        self.results.extend(sample['pred_instances']['keypoints'] for sample in data_samples)

    def compute_metrics(self, results: List[Any]) -> dict:
        return dict(joints=results)


class Models(Hook):
    """Which model every batch of a test went through."""

    def __init__(self) -> None:
        self.seen: List[bool] = []

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.seen.append(isinstance(runner.model, PredictionOnly))


@pytest.fixture
def make_test(make_runner: Callable[..., Runner]) -> Callable[..., Runner]:
    """A Runner that only tests."""

    def make(*hooks: Hook) -> Runner:
        train_dataloader = make_runner()._train_dataloader
        return make_runner(
            'test',
            test_dataloader=DataLoader(train_dataloader.dataset, batch_size=4, collate_fn=train_dataloader.collate_fn),
            test_cfg=dict(),
            test_evaluator=[Joints()],
            custom_hooks=list(hooks))

    return make


def joints(runner: Runner) -> torch.Tensor:
    return torch.as_tensor(runner.test()['joints'])


def test_same_joints_and_the_model_comes_back(make_test: Callable[..., Runner]) -> None:
    expected = joints(make_test())
    models = Models()
    runner = make_test(FuseHook(), models)
    model = runner.model
    assert (joints(runner) - expected).abs().max() < 1e-3
    assert models.seen and all(models.seen)
    assert runner.model is model
    runner.model.train()
    assert runner.model.training


def test_the_average_is_what_is_fused(make_test: Callable[..., Runner]) -> None:

    def tested(*hooks: Hook) -> torch.Tensor:
        runner = make_test(EMAHook(), *hooks)
        runner.call_hook('before_run')
        ema = next(hook for hook in runner.hooks if isinstance(hook, EMAHook))
        ema.before_run = lambda runner: None
        torch.manual_seed(1)
        for parameter in ema.ema_model.parameters():
            torch.nn.init.normal_(parameter, 0, .3)
        return joints(runner)

    expected = tested()
    assert (expected - joints(make_test())).abs().max() > 1, 'the average must differ from the weights for this test'
    assert (tested(FuseHook()) - expected).abs().max() < 1e-3


def test_half_precision(make_test: Callable[..., Runner], monkeypatch: pytest.MonkeyPatch) -> None:
    expected = joints(make_test(FuseHook()))
    with pytest.raises(ValueError, match="precision='half' is not known"):
        FuseHook('half')
    monkeypatch.setattr('rsn_mm.deploy.precision.cpu_features', lambda: ('avx2', ))
    with pytest.raises(ValueError, match="precision='bfloat16' is not to be had in PyTorch on cpu, which has 'float32'"):
        make_test(FuseHook('bfloat16')).test()
    monkeypatch.setattr('rsn_mm.deploy.precision.cpu_features', lambda: ('avx512_bf16', ))
    models = Models()
    found = joints(make_test(FuseHook('bfloat16'), models))
    assert all(models.seen) and 0 < (found != expected).float().mean() < 1
    assert found.dtype == expected.dtype


def test_wrapped_and_compiled_models(make_test: Callable[..., Runner]) -> None:
    hook, models = FuseHook(), Models()
    runner = make_test(hook, models)
    runner.model.test_step = runner.model.test_step  # as Runner does with compile=True
    joints(runner)
    assert not any(models.seen)

    with pytest.raises(ValueError, match='Leave out compile=True, or the precision'):
        FuseHook('float16').before_test_epoch(runner)
    del runner.model.test_step
    compile_network(runner.model, dict(backend='eager'))  # as our adapter does with it
    hook.before_test_epoch(runner)
    assert not isinstance(runner.model, PredictionOnly)

    runner = make_test(hook, models)
    wrapped = runner.model = MMDistributedDataParallel.__new__(MMDistributedDataParallel)
    torch.nn.Module.__init__(wrapped)
    wrapped.module = make_test().model
    hook.before_test_epoch(runner)
    assert isinstance(runner.model, PredictionOnly)
    hook.after_test_epoch(runner)
    assert runner.model is wrapped

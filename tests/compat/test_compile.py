"""``compile=True`` in a config compiles the network alone, with the same results."""
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, List

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from rsn_mm.compat import compile
from rsn_mm.compat.compile import compile_network
from rsn_mm.models import checkpointing

NO_COMPILER = dict(backend='aot_eager')


class Losses(Hook):

    def __init__(self) -> None:
        self.values: List[float] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        self.values.append(float(outputs['loss']))


@pytest.fixture
def trained(make_estimator: Callable, make_samples: Callable, codec_cfg: Callable, tmp_path: Path) -> Callable:
    """Train a tiny network for three iterations with a ``compile`` setting: the runner, and its losses."""

    def train(name: str, setting: Any, **model: Any) -> Any:
        samples = make_samples(codec_cfg(), batch_size=2, num_keypoints=5)
        torch.manual_seed(0)
        batch = dict(inputs=[torch.rand(3, 64, 64) for _ in samples], data_samples=samples)
        runner = Runner(
            model=make_estimator(**model), work_dir=str(tmp_path / name), experiment_name=f'{tmp_path.name}_{name}',
            train_dataloader=torch.utils.data.DataLoader([batch] * 3, collate_fn=lambda batches: batches[0]),
            train_cfg=dict(by_epoch=True, max_epochs=1), randomness=dict(seed=0), default_scope='rsn_mm',
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=1e-5)), cfg=Config(dict(compile=setting)))
        losses = Losses()
        runner.register_hook(losses)
        runner.train()
        return runner, losses.values

    return train


@pytest.fixture(autouse=True)
def fresh_compiler():
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize('with_cp, setting', [(False, dict(backend='eager')), (True, NO_COMPILER)])
@pytest.mark.parametrize('old_compiler', [False, True])
def test_compiled_training_is_the_same(trained: Callable, with_cp: bool, setting: dict, old_compiler: bool,
                                       monkeypatch: pytest.MonkeyPatch) -> None:
    if old_compiler:  # what torch 2.6 needs is right in every other
        monkeypatch.setattr(checkpointing, '_COMPILER_REPEATS_WRITES', True)
        monkeypatch.setattr(checkpointing, '_outside_of_the_graph', torch.compiler.disable(checkpointing._checkpoint))
    backbone = dict(with_cp=with_cp, block='resnet')  # few layers to trace
    eager, losses = trained('eager', False, backbone=backbone)
    torch._dynamo.utils.counters.clear()
    compiled, compiled_losses = trained('compiled', setting, backbone=backbone)
    assert compiled_losses == pytest.approx(losses, rel=1e-4)
    assert torch._dynamo.utils.counters['stats']['unique_graphs'] >= 2
    assert list(compiled.model.state_dict()) == list(eager.model.state_dict())
    torch.testing.assert_close(compiled.model.state_dict(), eager.model.state_dict(), rtol=1e-4, atol=1e-5)


def test_network_without_graph_breaks(make_estimator: Callable) -> None:
    model = make_estimator(dict(block='resnet')).eval()
    image = torch.rand(2, 3, 64, 64)
    with torch.no_grad():
        expected = model.head.forward_last(model.backbone(image))
        compile_network(model, dict(backend='eager', fullgraph=True))
        torch.testing.assert_close(model.head.forward_last(model.backbone(image)), expected)
        assert len(model.head.forward(model.backbone(image))) == 2


def test_compiling_twice_changes_nothing(make_estimator: Callable) -> None:
    model = make_estimator()
    compile_network(model, NO_COMPILER)
    first = model.backbone._compiled_call_impl, model.head.forward
    compile_network(model, NO_COMPILER)
    assert (model.backbone._compiled_call_impl, model.head.forward) == first


def test_testing_is_compiled() -> None:
    runner = Runner.__new__(Runner)
    runner._has_loaded, runner.cfg = True, Config(dict(compile=dict(backend='eager')))
    runner.model = nn.Module()
    runner.model.backbone = nn.Identity()
    runner.load_or_resume()
    assert runner.model.backbone._compiled_call_impl is not None


def test_other_settings_are_refused() -> None:
    runner = Runner.__new__(Runner)
    runner._has_loaded, runner.cfg, runner.model = True, Config(dict(compile='inductor')), nn.Module()
    with pytest.raises(TypeError, match="compile='inductor' in the config is neither"):
        runner.load_or_resume()


@pytest.mark.parametrize('mode', ['reduce-overhead', 'max-autotune'])
def test_modes_that_overwrite_the_first_of_two_results_are_refused(mode: str) -> None:
    runner = Runner.__new__(Runner)
    runner._has_loaded, runner.cfg, runner.model = True, Config(dict(compile=dict(mode=mode))), nn.Module()
    with pytest.raises(ValueError, match=f"mode='{mode}'.* the flip test calls .*'max-autotune-no-cudagraphs'"):
        runner.load_or_resume()


@pytest.mark.parametrize('num_persons, drop_last, with_cp, left_out, expected', [
    (5, False, False, False, ['1 persons instead of 2']), (4, False, False, False, []), (5, True, False, False, []),
    (4, False, True, True, ['next to nothing']), (4, False, True, False, []),
])
def test_what_is_compiled_again_or_not_at_all_is_said(monkeypatch, num_persons, drop_last, with_cp, left_out, expected) -> None:
    lines = []
    monkeypatch.setattr(compile, 'print_log', lambda message, *args: lines.append(message))
    monkeypatch.setattr(compile, 'CHECKPOINTS_ARE_LEFT_OUT', left_out)
    loader = torch.utils.data.DataLoader(range(num_persons), batch_size=2, drop_last=drop_last)
    model = SimpleNamespace(backbone=SimpleNamespace(with_cp=with_cp))
    compile._warn(SimpleNamespace(_train_loop=SimpleNamespace(dataloader=loader)), model)
    compile._warn(SimpleNamespace(_train_loop=None), SimpleNamespace(backbone=torch.nn.Identity()))
    assert len(lines) == len(expected) and all(part in line for part, line in zip(expected, lines))

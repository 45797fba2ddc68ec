"""LossGuardHook stops at the first look, names iteration and losses, and lets no broken weights reach the disk."""
from pathlib import Path
from typing import Any, Callable, List

import pytest
import torch
from mmengine.hooks import Hook

from rsn_mm.engine import LossGuardHook
from rsn_mm.engine.history import DeferredHistory

CHECKPOINTS = dict(type='rsn_mm.CheckpointHook', by_epoch=False, interval=2)


class Break(Hook):
    """Makes the next losses of a unit, or the weights, no numbers after iteration ``after`` (counted from 1)."""

    def __init__(self, after: int, name: str = 'loss_s1u2', value: float = float('nan'), weights: bool = False) -> None:
        self.after, self.name, self.value, self.weights = after, name, value, weights

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        if runner.iter + 1 != self.after:
            return
        if self.weights:
            next(runner.model.parameters()).data.fill_(self.value)
            return
        head, value = runner.model.head, self.value
        loss = head.loss

        def broken(*args: Any, **kwargs: Any) -> dict:
            losses = loss(*args, **kwargs)
            losses[self.name] = losses[self.name] * value
            return losses

        head.loss = broken


@pytest.fixture
def train(make_runner: Callable) -> Callable[..., Any]:

    def run(interval: int, *hooks: Hook, runtime_info: str = 'rsn_mm.RuntimeInfoHook', **kwargs: Any) -> Any:
        runner = make_runner(default_hooks=dict(runtime_info=dict(type=runtime_info), logger=None, checkpoint=CHECKPOINTS),
                             custom_hooks=[dict(type='rsn_mm.LossGuardHook', interval=interval)], **kwargs)
        for hook in hooks:
            runner.register_hook(hook, 'HIGHEST')
        runner.train()
        return runner

    return run


def checkpoints(tmp_path: Path) -> List[str]:
    return sorted(path.name for path in (tmp_path / 'run').glob('iter_*.pth'))


@pytest.mark.parametrize('runtime_info', ['rsn_mm.RuntimeInfoHook', 'mmengine.RuntimeInfoHook'])
@pytest.mark.parametrize('interval, value, shown', [(1, float('nan'), 'nan'), (3, float('inf'), 'inf')])
def test_names_the_iteration_and_the_unit(train: Callable, tmp_path: Path, runtime_info: str, interval: int, value: float,
                                          shown: str) -> None:
    message = rf"At iteration 4 \(7 make an epoch\) loss_s1u2 = {shown}. Training stops. The last checkpoint, '\S*iter_2.pth'"
    with pytest.raises(FloatingPointError, match=message):
        train(interval, Break(3, value=value), runtime_info=runtime_info)
    assert checkpoints(tmp_path) == ['iter_2.pth']
    assert (tmp_path / 'run' / 'last_checkpoint').read_text().endswith('iter_2.pth')
    weights = torch.load(tmp_path / 'run' / 'iter_2.pth', weights_only=True)['state_dict'].values()
    assert all(tensor.isfinite().all() for tensor in weights)


def test_a_checkpoint_is_looked_at_whatever_the_interval(train: Callable, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match='At iteration 4 '):
        train(100, Break(3))
    assert checkpoints(tmp_path) == ['iter_2.pth']


def test_weights_are_looked_at_too(train: Callable, tmp_path: Path) -> None:
    message = r'After iteration 4 weights are NaN or infinite \(backbone.*losses were finite'
    with pytest.raises(FloatingPointError, match=message):
        train(1, Break(4, weights=True))
    assert checkpoints(tmp_path) == ['iter_2.pth']


def test_the_last_iterations_are_looked_at(train: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CHECKPOINTS, 'interval', 100)
    monkeypatch.setitem(CHECKPOINTS, 'save_last', False)
    with pytest.raises(FloatingPointError, match=r'At iteration 7 \(7 make an epoch\) loss_s1u1 = nan'):
        train(100, Break(6, name='loss_s1u1'))


def test_sound_training_ends_and_nothing_is_fetched_in_between(train: Callable, monkeypatch: pytest.MonkeyPatch,
                                                               tmp_path: Path) -> None:
    fetched_at, fetch = [], DeferredHistory._fetch

    def count(self: DeferredHistory) -> None:
        if self._pending:
            fetched_at.append(len(self._pending))
        fetch(self)

    monkeypatch.setattr(DeferredHistory, '_fetch', count)
    monkeypatch.setitem(CHECKPOINTS, 'interval', 100)
    monkeypatch.setitem(CHECKPOINTS, 'save_last', False)
    assert train(3).iter == 7
    # Of each iteration the first loss makes the history; 2 + 3 + 1 are left for three looks.
    assert set(fetched_at) <= {1, 2, 3} and fetched_at.count(3) >= 3


def test_resumed(train: Callable, tmp_path: Path) -> None:
    """Looks at what has happened since, not at the history of the checkpoint."""
    train(2)
    with pytest.raises(FloatingPointError, match='At iteration 10 .* loss_s1u2 = nan'):
        train(2, Break(9), resume=True, train_cfg=dict(by_epoch=True, max_epochs=2))


@pytest.mark.parametrize('interval', [0, -1, 1.5, None])
def test_interval(interval: Any) -> None:
    with pytest.raises(ValueError, match='interval='):
        LossGuardHook(interval)

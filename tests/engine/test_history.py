"""What is logged, saved and resumed is what MMEngine's own hook and wrappers log, save and resume."""
import copy
import json
from pathlib import Path
from typing import Any, Callable, Dict, List

import numpy as np
import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.logging import HistoryBuffer, MessageHub
from mmengine.runner import Runner

from rsn_mm.checkpoints.reading import load_from_local
from rsn_mm.engine import history
from rsn_mm.engine.history import DeferredHistory, record

STOCK = dict(
    default_hooks=dict(runtime_info=dict(type='mmengine.RuntimeInfoHook'), logger=dict(type='LoggerHook', interval=3)),
    optim_wrapper=dict(type='mmengine.OptimWrapper'))
# What depends on the clock.
TIMES = {'time', 'data_time', 'memory'}


def logged(runner: Runner) -> List[Dict[str, Any]]:
    """Lines of the log, without what depends on the clock."""
    file = Path(runner.log_dir) / 'vis_data' / f'{runner.timestamp}.json'
    return [{key: value for key, value in json.loads(line).items() if key not in TIMES}
            for line in file.read_text().splitlines()]


def saved(folder: Path, name: str = 'epoch_1.pth') -> Dict[str, np.ndarray]:
    histories = load_from_local(str(folder / name))['message_hub']['log_scalars']
    assert {type(values) for values in histories.values()} == {HistoryBuffer}
    return {key: np.stack(values.data) for key, values in histories.items() if key.split('/')[1] not in TIMES}


def test_log_and_checkpoint_are_those_of_mmengine(make_runner: Callable, tmp_path: Path) -> None:
    # The message hub that was made last is the one in use, so one after the other.
    ours = make_runner('ours')
    ours.train()
    stock = make_runner('stock', **STOCK)
    stock.train()
    assert len(logged(ours)) == 2 and 'grad_norm' in logged(ours)[0] and 'loss_s1u2' in logged(ours)[0]
    assert logged(ours) == logged(stock)
    np.testing.assert_equal(saved(tmp_path / 'ours'), saved(tmp_path / 'stock'))
    assert len(saved(tmp_path / 'ours')['train/loss'][0]) == 7


def test_a_checkpoint_between_two_lines_of_the_log_is_whole(make_runner: Callable, tmp_path: Path) -> None:
    runner = make_runner()
    runner.register_hook(CheckpointHook(interval=5, by_epoch=False))
    runner.train()
    assert len(saved(tmp_path / 'run', 'iter_5.pth')['train/loss'][0]) == 5


def test_resumed_histories_go_on(make_runner: Callable, tmp_path: Path) -> None:
    make_runner('first').train()
    runner = make_runner(
        'second', load_from=str(tmp_path / 'first' / 'epoch_1.pth'), resume=True,
        train_cfg=dict(by_epoch=True, max_epochs=2))
    runner.train()
    values = saved(tmp_path / 'second', 'epoch_2.pth')['train/loss'][0]
    np.testing.assert_equal(values[:7], saved(tmp_path / 'first')['train/loss'][0])
    assert len(values) == 14 and len(set(values)) == 14


class TestDeferredHistory:

    def pair(self, max_length: int = 1000) -> List[HistoryBuffer]:
        return [HistoryBuffer([1.5], [1], max_length), DeferredHistory(HistoryBuffer([1.5], [1], max_length))]

    @pytest.mark.parametrize('max_length', [1000, 3])
    def test_same_values_and_statistics(self, max_length: int) -> None:
        stock, deferred = self.pair(max_length)
        for value in torch.randn(5).unbind() + (0.25, torch.tensor([2.], dtype=torch.bfloat16)):
            stock.update(float(value), 2)
            deferred.update(value, 2)
        np.testing.assert_array_equal(stock.data, deferred.data)
        for name in ('mean', 'max', 'min'):
            assert stock.statistics(name, 2) == deferred.statistics(name, 2)
        assert stock.current() == deferred.current()

    def test_copy_is_stock(self) -> None:
        deferred = self.pair()[1]
        deferred.update(torch.tensor(2.))
        copied = copy.deepcopy(deferred)
        deferred.update(torch.tensor(3.))
        assert type(copied) is HistoryBuffer and copied.data[0].tolist() == [1.5, 2.]

    def test_waiting_values_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(history, 'MAX_PENDING', 3)
        deferred = self.pair()[1]
        for value in torch.arange(7.).unbind():
            deferred.update(value)
            assert len(deferred._pending) < 3
        assert deferred.data[0].tolist() == [1.5, 0, 1, 2, 3, 4, 5, 6]

    def test_graph_is_released(self) -> None:
        deferred = self.pair()[1]
        deferred.update(torch.ones(1, requires_grad=True).sum())
        assert not deferred._pending[0][0].requires_grad


def test_record_begins_and_goes_on() -> None:
    hub = MessageHub('test_record')
    for value in (1., 2., 4.):
        record(hub, 'train/loss', torch.tensor(value))
    assert isinstance(hub.get_scalar('train/loss'), DeferredHistory)
    assert hub.get_scalar('train/loss').mean() == 7 / 3

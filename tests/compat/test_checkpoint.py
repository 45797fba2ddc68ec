"""Checkpoints load without running code that they may hold."""
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

import rsn_mm  # noqa: F401


def test_what_a_training_checkpoint_holds_comes_back(tmp_path: Path) -> None:
    history = HistoryBuffer([1., 2.], [1, 1])
    checkpoint = dict(
        state_dict=dict(weight=torch.arange(3.)),
        message_hub=dict(log_scalars=dict(loss=history), runtime_info=dict(lr=np.float64(0.1), iter=np.int64(7))),
        meta=dict(dataset_meta=dict(sigmas=np.array([.1, .2], dtype=np.float32), names=('a', 'b'))))
    torch.save(checkpoint, tmp_path / 'epoch_1.pth')
    loaded = CheckpointLoader.load_checkpoint(str(tmp_path / 'epoch_1.pth'), map_location='cpu')
    assert torch.equal(loaded['state_dict']['weight'], torch.arange(3.))
    restored = loaded['message_hub']['log_scalars']['loss']
    assert restored.mean() == 1.5 and restored.current() == 2. and restored.statistics('max') == 2.
    assert loaded['message_hub']['runtime_info'] == dict(lr=0.1, iter=7)
    np.testing.assert_array_equal(loaded['meta']['dataset_meta']['sigmas'], np.array([.1, .2], dtype=np.float32))


class RunsACommand:

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return os.system, (f'touch {self.target}', )


class ReachesByGetattr:
    """What getattr(HistoryBuffer, ...) would open if it were the real getattr."""

    def __reduce__(self):
        return getattr, (HistoryBuffer, '__init__')


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path: Path) -> None:
    target = tmp_path / 'was_run'
    torch.save(dict(state_dict={}, meta=RunsACommand(target)), tmp_path / 'evil.pth')
    with pytest.raises(ValueError, match='evil.pth.* is refused.*set RSN_MM_TRUST_CHECKPOINTS=1'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'evil.pth'))
    assert not target.exists()


def test_only_the_statistics_of_a_history_can_be_reached(tmp_path: Path) -> None:
    torch.save(dict(meta=ReachesByGetattr()), tmp_path / 'getattr.pth')
    with pytest.raises(ValueError, match='refused'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'getattr.pth'))


def test_a_trusted_checkpoint_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / 'was_run'
    torch.save(dict(meta=RunsACommand(target)), tmp_path / 'own.pth')
    monkeypatch.setenv('RSN_MM_TRUST_CHECKPOINTS', '1')
    CheckpointLoader.load_checkpoint(str(tmp_path / 'own.pth'))
    assert target.exists()


def test_missing_truncated_and_foreign_files(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere.pth' does not exist"):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'nowhere.pth'))
    torch.save(dict(state_dict=dict(weight=torch.zeros(1000))), tmp_path / 'whole.pth')
    whole = (tmp_path / 'whole.pth').read_bytes()
    (tmp_path / 'half.pth').write_bytes(whole[:len(whole) // 2])
    with pytest.raises(ValueError, match='half.pth.* is not a whole checkpoint'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'half.pth'))
    (tmp_path / 'text.pth').write_text('not a checkpoint')
    with pytest.raises(ValueError, match='text.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'text.pth'))
    with open(tmp_path / 'plain.pth', 'wb') as file:
        pickle.dump(dict(state_dict={}), file)
    with pytest.raises(ValueError, match='plain.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'plain.pth'))

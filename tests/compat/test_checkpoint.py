"""Checkpoints load without running code that they may hold."""
import datetime
import os
import pickle
import runpy
from pathlib import Path
from typing import Any

import mmpose
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

import rsn_mm  # noqa: F401

METAINFO = Path(mmpose.__file__).parent / '.mim/configs/_base_/datasets'


def through_a_file(value: Any, path: Path) -> Any:
    torch.save(dict(state_dict={}, meta=dict(dataset_meta=value)), path)
    return CheckpointLoader.load_checkpoint(str(path), map_location='cpu')['meta']['dataset_meta']


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


def test_a_data_set_of_nothing_is_left_to_the_config(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match='dataset_meta'):
        through_a_file({}, tmp_path / 'a.pth')


def test_what_training_notes_of_every_data_set_of_mmpose_loads(tmp_path: Path) -> None:
    from mmpose.datasets.datasets.utils import parse_pose_metainfo
    files = sorted(METAINFO.glob('*.py'))
    assert len(files) > 50
    for file in files:
        meta = parse_pose_metainfo(runpy.run_path(str(file))['dataset_info'])
        np.testing.assert_equal(through_a_file(meta, tmp_path / 'a.pth'), meta, err_msg=file.name)


@pytest.mark.parametrize('value', [
    np.array([]), np.zeros((0, 3), 'U2'), np.array(['a', 'bc']), np.array([b'a']), np.array([1j]), np.array([1], 'longdouble'),
    np.array(['2020-01-01'], 'datetime64[D]'), np.str_('a'), b'', frozenset({1}), datetime.datetime(2020, 1, 1), Path('a/b'),
    ConfigDict(a=[dict(b=1)])
], ids=repr)
def test_other_plain_values_load(value: Any, tmp_path: Path) -> None:
    loaded = through_a_file(value, tmp_path / 'a.pth')
    assert type(loaded) is type(value)
    np.testing.assert_array_equal(loaded, value)


class TakesMemory:

    def __reduce__(self):
        return bytes, (10**12, )


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
    with pytest.raises(ValueError, match=f'evil.pth.* is refused: it holds {os.name}.system,.*set RSN_MM_TRUST_CHECKPOINTS=1'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'evil.pth'))
    assert not target.exists()


def test_only_the_statistics_of_a_history_can_be_reached(tmp_path: Path) -> None:
    torch.save(dict(meta=ReachesByGetattr()), tmp_path / 'getattr.pth')
    with pytest.raises(ValueError, match='refused'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'getattr.pth'))


def test_a_number_of_bytes_is_not_made(tmp_path: Path) -> None:
    torch.save(dict(meta=TakesMemory()), tmp_path / 'bytes.pth')
    with pytest.raises(ValueError, match='bytes.pth'):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'bytes.pth'))


@pytest.mark.parametrize('value, name', [(torch.nn.Linear(1, 1), 'torch.nn.modules.linear.Linear'),
                                         (np.array([None]), 'numpy.dtypes.ObjectDType'), (range(3), 'range')])
def test_the_refusal_names_the_type(value: Any, name: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='is refused') as error:
        through_a_file(value, tmp_path / 'a.pth')
    assert f'it holds {name}, which' in str(error.value) and '\x1b' not in str(error.value)


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


@pytest.mark.parametrize('content, message', [
    (b'hello', 'is not a whole checkpoint'), (b'', 'is not a whole checkpoint'),
    (b'\x89PNG\r\n\x1a\n' + bytes(99), 'another kind of file'),
    (b'<!doctype html>', 'another kind of file'), ([1, 2], 'holds a list, not a dict of weights')],
    ids=['text', 'empty', 'picture', 'page', 'list'])
def test_other_files_are_no_checkpoints(content: Any, message: str, tmp_path: Path) -> None:
    path = tmp_path / 'other.pth'
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    with pytest.raises(ValueError, match=f"other.pth' .*{message}") as error:
        CheckpointLoader.load_checkpoint(str(path))
    assert 'weights_only' not in str(error.value)

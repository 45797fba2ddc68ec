"""What MMEngine puts into a checkpoint becomes plain, and comes back as it was."""
import enum
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from rsn_mm.checkpoints.plain_types import RECORD, restore, to_plain


def through_a_file(checkpoint: dict, path: Path) -> Any:
    plain, foreign = to_plain(checkpoint)
    assert foreign == []
    torch.save(plain, path)
    return torch.load(path, weights_only=True)


@pytest.mark.parametrize('array', [
    np.array([[1, 2], [3, 255]], np.uint8), np.array([.1, np.inf, np.nan], np.float32), np.array(.1),
    np.zeros((0, 3), np.int16), np.array([True, False]), np.array(['a', 'bcd']), np.array([1 + 2j]),
    np.array([2**63], np.uint64)
], ids=lambda array: f'{array.dtype}{array.shape}')
def test_an_array_comes_back_to_the_last_bit(array: np.ndarray, tmp_path: Path) -> None:
    loaded = through_a_file(dict(meta=dict(of=[(array, 1)])), tmp_path / 'a.pth')
    assert loaded['meta']['of'] == [(array.tolist(), 1)] or np.isnan(array).any()  # a list for whoever does not restore
    restored = restore(loaded)['meta']['of'][0][0]
    assert restored.dtype == array.dtype and restored.shape == array.shape
    np.testing.assert_array_equal(restored, array)
    assert RECORD not in loaded


def test_a_log_history_comes_back(tmp_path: Path) -> None:
    history = HistoryBuffer([.1, 1 / 3], [1, 4], max_length=3)
    restored = restore(through_a_file(dict(hub=OrderedDict(loss=history)), tmp_path / 'a.pth'))['hub']['loss']
    assert type(restored) is HistoryBuffer and restored.max_length == 3
    assert restored.mean() == history.mean() and restored.data[0].tolist() == [.1, 1 / 3]
    assert restored.statistics('max') == 1 / 3


def test_numbers_keys_and_containers_become_plain(tmp_path: Path) -> None:
    class Colour(enum.Enum):
        RED = 'red'

    checkpoint = dict(a=np.float32(.1), b={np.int64(3): np.bool_(True)}, c=ConfigDict(d=(np.str_('x'), [np.uint8(7)])),
                      e=OrderedDict(f=Path('g/h'), i=Colour.RED), j=None)
    loaded = through_a_file(checkpoint, tmp_path / 'a.pth')
    assert loaded == dict(a=float(np.float32(.1)), b={3: True}, c=dict(d=('x', [7])), e=dict(f='g/h', i='red'), j=None)
    assert type(loaded['c']) is dict and type(loaded['e']) is OrderedDict and type(loaded['b'][3]) is bool
    assert RECORD not in loaded


def test_what_is_plain_stays_the_same_object() -> None:
    state = torch.nn.BatchNorm2d(2).state_dict()
    checkpoint = dict(state_dict=state, meta=dict(sigmas=np.ones(2)))
    plain, _ = to_plain(checkpoint)
    assert plain['state_dict'] is state and '_metadata' in vars(state)
    assert isinstance(checkpoint['meta']['sigmas'], np.ndarray)  # the original is as it was


def test_other_objects_are_named_and_stay() -> None:
    odd = object()
    plain, foreign = to_plain(dict(meta=dict(of=[odd], dates=np.array(['2020-01-01'], 'datetime64[D]'))))
    assert foreign == ['meta.of.0: object', 'meta.dates: ndarray']
    assert plain['meta']['of'] == [odd]


def test_parts_taken_out_since_need_no_restoring() -> None:
    plain, _ = to_plain(dict(meta=dict(sigmas=np.ones(2)), hub=dict(loss=HistoryBuffer([1.], [1]))))
    del plain['hub']
    assert restore(plain)['meta']['sigmas'].tolist() == [1, 1]


def test_a_note_that_does_not_fit_is_an_error() -> None:
    plain, _ = to_plain(dict(meta=dict(sigmas=np.ones(2))))
    plain['meta']['sigmas'] = [1.]
    with pytest.raises(ValueError, match="damaged.*'plain_types' does not fit"):
        restore(plain)


def test_foreign_checkpoints_stay_as_they_are() -> None:
    state = {'weight': torch.zeros(1)}
    assert restore(state) is state and list(state) == ['weight']
    assert restore([1]) == [1]

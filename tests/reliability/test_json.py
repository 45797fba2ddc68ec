"""A few hundred broken JSON files; ``tests/reliability/fuzz_json.py`` reads thousands."""
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ..conftest import load_script

SCRIPT = Path(__file__).with_name('fuzz_json.py')
COUNT = 300


@pytest.fixture(scope='module')
def fuzz() -> Any:
    """The script as a module."""
    return load_script(SCRIPT)


def test_readers_read_or_say_what_is_wrong(fuzz: Any) -> None:
    with np.errstate(all='ignore'):  # numbers near the largest of a float
        counts = fuzz.run(COUNT, 0)
    assert {outcome: number for outcome, number in counts.items() if outcome[1] not in ('read', 'refused')} == {}
    assert set(counts) == {(reader, outcome) for reader in fuzz.READERS for outcome in ('read', 'refused')}
    assert sum(counts.values()) == COUNT * len(fuzz.READERS)


def test_another_exception_is_a_failure(fuzz: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(fuzz.READERS, 'boxes', lambda path: {}[path])
    assert fuzz.outcome('boxes', tmp_path).startswith('FAILURE: KeyError')


@pytest.mark.parametrize('read, failure', [
    (lambda path: json.loads('['), 'JSONDecodeError'), (lambda path: float('a'), 'the file is not named'),
    (lambda path: float(str(path)), 'nothing is expected')])
def test_a_message_of_others_is_a_failure(fuzz: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, read: Any,
                                          failure: str) -> None:
    monkeypatch.setitem(fuzz.READERS, 'boxes', read)
    assert fuzz.outcome('boxes', tmp_path).startswith(f'FAILURE: {failure}')

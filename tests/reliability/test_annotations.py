"""Some dozen mutated annotation files; ``tests/reliability/fuzz_annotations.py`` has thousands judged."""
from pathlib import Path
from typing import Any, List

import pytest

from ..conftest import load_script

COUNT = 90


@pytest.fixture(scope='module')
def fuzz() -> Any:
    return load_script(Path(__file__).with_name('fuzz_annotations.py'))


def test_checker_training_and_validation_judge_alike(fuzz: Any) -> None:
    failures: List[str] = []
    counts = fuzz.run(COUNT, 1, failures.append)
    assert failures == [] and sum(counts.values()) == COUNT
    assert {result for _, result in counts} >= {'passes', 'left out', 'refused'}


def test_disagreement_is_a_failure(fuzz: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, 'check', lambda *args, **kwargs: iter(()))
    assert fuzz.run(20, 1)['annotations', 'FAILURE'] > 0

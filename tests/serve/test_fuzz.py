"""A few hundred broken pictures, in this process; ``tests/reliability/fuzz_pictures.py`` sends thousands."""
from pathlib import Path
from typing import Any

import pytest

from ..conftest import load_script

SCRIPT = Path(__file__).parents[1] / 'reliability' / 'fuzz_pictures.py'
COUNT = 200


@pytest.fixture(scope='module')
def fuzz() -> Any:
    """The script as a module."""
    return load_script(SCRIPT)


def test_broken_pictures_give_poses_or_a_4xx(fuzz: Any, client_of: Any) -> None:
    files = fuzz.seeds()
    with client_of() as client:
        answers = [fuzz.send(client, fuzz.mutate(files, seed=1, number=number)) for number in range(COUNT)]
    assert [(number, fault) for number, (_, fault) in enumerate(answers) if fault] == []
    assert {status for status, _ in answers} == {200, 400, 413, 415}


def test_mutations_follow_from_seed_and_number(fuzz: Any) -> None:
    files = fuzz.seeds()
    some = [fuzz.mutate(files, 3, number) for number in range(64)]
    assert some == [fuzz.mutate(files, 3, number) for number in range(64)]
    assert {(one.suffix, one.kind) for one in some} >= {(suffix, kind) for suffix in fuzz.SUFFIXES for kind in ('bits', 'size')}
    assert sum(one != other for one, other in zip(some, (fuzz.mutate(files, 4, number) for number in range(64)))) > 60


@pytest.mark.parametrize('outcome, fault', [
    (dict(fault='', seconds=0.1, grown_kb=10), ''),
    (dict(fault='no JSON', seconds=0.1, grown_kb=10), 'no JSON'),
    (dict(fault='', seconds=6., grown_kb=10), 'took 6.0 s'),
    (dict(fault='', seconds=0.1, grown_kb=1_500_000), 'memory grew by 1.50 GB'),
])
def test_what_counts_as_a_failure(fuzz: Any, outcome: dict, fault: str) -> None:
    assert fuzz.fault_of(outcome) == fault

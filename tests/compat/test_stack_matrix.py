"""The logic of the matrix of stacks; no cell is installed here."""
import argparse
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Dict

import pytest

from ..conftest import load_script

MINE = f'{sys.version_info.major}.{sys.version_info.minor}'
REPORT = """<testsuites><testsuite>
<testcase classname="tests.a" name="good"/>
<testcase classname="tests.a" name="bad"><failure message="no"/></testcase>
<testcase classname="tests.a" name="bad"><error message="teardown"/></testcase>
<testcase classname="tests.b" name="out"><skipped message="needs a GPU"/></testcase>
<testcase classname="tests.b" name="too"><skipped message="needs a GPU"/></testcase>
</testsuite></testsuites>"""


@pytest.fixture(scope='module')
def matrix() -> ModuleType:
    return load_script(Path(__file__).with_name('stack_matrix.py'))


def ran(matrix: ModuleType, name: str, adapters: str = 'checkpoint drawing', **found: Any) -> Dict[str, Any]:
    """What a cell leaves that passed."""
    return dict(dict(
        cell=matrix.Cell(name, '3.11')._asdict(), result='passed', python='3.11.7 on Linux',
        packages={'torch': '2.13.0', 'numpy': '2.4.6', 'mmcv-lite': '2.1.0'}, adapters=dict.fromkeys(adapters.split(), 'why'),
        passed=9, failures=[], skipped={}, seconds=60), **found)


def run_cell(matrix: ModuleType, tmp_path: Path, cell: Any, **given: Any) -> Dict[str, Any]:
    options = dict(dict(out=tmp_path, python={}, mmcv=None, pip_args='', minutes=1, keep=False), **given)
    return matrix.run_cell(cell, argparse.Namespace(**options))


class TestAPartIsMissing:

    def test_interpreter(self, matrix: ModuleType, tmp_path: Path) -> None:
        record = run_cell(matrix, tmp_path, matrix.Cell('old', '3.0'))
        assert record['result'] == matrix.NOT_HERE and 'no Python 3.0' in record['reason']

    def test_interpreter_of_another_version(self, matrix: ModuleType, tmp_path: Path) -> None:
        record = run_cell(matrix, tmp_path, matrix.Cell('old', '3.0'), python={'3.0': sys.executable})
        assert record['result'] == matrix.NOT_HERE

    def test_compiled_mmcv(self, matrix: ModuleType, tmp_path: Path) -> None:
        record = run_cell(matrix, tmp_path, matrix.Cell('ops', MINE, compiled_mmcv=True))
        assert record['result'] == matrix.NOT_HERE and '--mmcv' in record['reason']

    @pytest.mark.parametrize('log, result, reason', [
        ('ERROR: No matching distribution found for torch==2.6.0\nmake: *** [Makefile:31] Error 1\n', 'not here',
         'No matching distribution found for torch==2.6.0'),
        ('ERROR: mmcv-2.1.0-cp311-cp311-linux_x86_64.whl is not a supported wheel on this platform.\n', 'not here',
         'mmcv-2.1.0-cp311-cp311-linux_x86_64.whl is not a supported wheel on this platform'),
        ('ERROR: Cannot install a and b\nERROR: ResolutionImpossible\n', 'not installed', 'ERROR: ResolutionImpossible'),
        ('make: *** [Makefile:31] Error 1\n', 'not installed', 'exit status 2'),
    ])
    def test_pip_tells(self, matrix: ModuleType, log: str, result: str, reason: str) -> None:
        assert matrix.install_error(2, SimpleNamespace(text=lambda: log)).args == (result, reason)

    def test_this_interpreter_is_found(self, matrix: ModuleType) -> None:
        assert matrix.find_python(MINE, {MINE: sys.executable}) == sys.executable


def test_a_step_that_hangs_is_ended_with_its_children(matrix: ModuleType, tmp_path: Path) -> None:
    left = tmp_path / 'left'
    with open(tmp_path / 'log', 'w+') as log:
        steps = matrix.Steps(log, minutes=0.5 / 60)
        assert steps.run(['sh', '-c', f'(sleep 2; touch {left}) & sleep 60']) is None
        assert steps.run(['sh', '-c', 'echo "$A"; sleep 2; exit 3'], A='given') is None
        assert matrix.Steps(log, minutes=1).run(['sh', '-c', 'sleep 2; exit 3']) == 3
        assert 'given' in steps.text()
    assert not left.exists()


def test_report(matrix: ModuleType, tmp_path: Path) -> None:
    (tmp_path / 'report.xml').write_text(REPORT)
    assert matrix.read_report(tmp_path / 'report.xml') == dict(
        passed=1, failures=['tests.a::bad'], skipped={'needs a GPU': 2})


class TestTable:

    def test_adapters_of_every_cell_stand_below_it(self, matrix: ModuleType) -> None:
        text = matrix.table([ran(matrix, 'one'), ran(matrix, 'two', adapters='checkpoint mmcv_ops')])
        assert '| one | passed | 3.11.7 | 2.13.0 | 2.4.6 | - | mmcv-lite 2.1.0 | drawing | 9 | 0 | 0 | 60 |' in text
        assert '| two | passed | 3.11.7 | 2.13.0 | 2.4.6 | - | mmcv-lite 2.1.0 | mmcv_ops | 9 | 0 | 0 | 60 |' in text
        assert 'in every cell: checkpoint.' in text

    def test_failures_reasons_and_skips_are_named(self, matrix: ModuleType) -> None:
        text = matrix.table([
            ran(matrix, 'bad', result='failed', reason='1 tests failed', failures=['tests.a::bad'], skipped={'needs a GPU': 2}),
            dict(cell=matrix.Cell('new', '3.99')._asdict(), result='not here', reason='no Python 3.99', seconds=0)])
        assert '| bad | failed | ' in text and '| - | 9 | 1 | 2 | 60 |' in text
        assert '| new | not here | 3.99 | torch==2.13.0 | numpy>=2 | - |' in text
        for line in ('- bad: 1 tests failed', '  - tests.a::bad', '- bad: 2 skipped: needs a GPU', '- new: no Python 3.99'):
            assert line in text.splitlines()

    def test_of_many_failures_some_are_named(self, matrix: ModuleType) -> None:
        text = matrix.table([ran(matrix, 'bad', result='failed', failures=[f't::{i}' for i in range(matrix.LISTED + 3)])])
        assert text.count('  - t::') == matrix.LISTED and '  - and 3 more, in bad.json' in text

    def test_every_row_has_every_column(self, matrix: ModuleType) -> None:
        text = matrix.table([ran(matrix, 'one'), dict(cell=matrix.Cell('new', '3.99')._asdict(), result='not here', seconds=0)])
        assert {line.count(' | ') for line in text.splitlines() if line.startswith('|')} == {len(matrix.COLUMNS) - 1}


@pytest.mark.parametrize('results, status', [
    (['passed', 'not here'], 0), (['passed', 'failed', 'passed'], 1), (['not installed'], 1), ([], 0)])
def test_exit_status(matrix: ModuleType, results: list, status: int) -> None:
    assert matrix.exit_status([dict(result=result) for result in results]) == status


def test_cells_have_names_of_their_own(matrix: ModuleType) -> None:
    assert len({cell.name for cell in matrix.CELLS}) == len(matrix.CELLS)


def test_a_name_that_is_no_cell_is_refused(matrix: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(sys, 'argv', ['stack_matrix.py', 'py27', '--out', 'x'])
    with pytest.raises(SystemExit):
        matrix.parse_arguments()
    assert 'no such cell: py27. There are: py311' in capsys.readouterr().err

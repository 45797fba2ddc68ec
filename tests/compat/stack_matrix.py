"""Install and test this project on stacks old and new: each cell of a matrix in a virtual environment of its own.

``python tests/compat/stack_matrix.py --out FOLDER`` runs every cell of ``CELLS``, or those that are named: ``make setup`` with
the cell's interpreter, torch, numpy and mmcv, then ``make short``. It writes ``<cell>.json`` and ``<cell>.log`` into FOLDER,
then ``matrix.md``: a table of all cells whose results lie there, so that cells may be run one by one and on several
machines. ``python3.X`` is searched on the PATH; ``--python 3.X=FILE`` names another.

A cell whose interpreter, wheel or torch is not to be had is "not here", and the others go on. Exit status: 0 if all cells
that could be installed passed, 1 otherwise. Needs Python and make, and nothing that it installs.
"""
import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Optional, Sequence
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parents[2]


class Cell(NamedTuple):
    """One stack. ``torch`` and ``numpy`` are pip's requirements, ``compiled_mmcv`` asks for the wheel of ``--mmcv``."""
    name: str
    python: str
    torch: str = 'torch==2.13.0'
    numpy: str = 'numpy>=2'
    compiled_mmcv: bool = False


CELLS = (
    Cell('py311', '3.11'),
    Cell('py311-numpy1.26', '3.11', numpy='numpy==1.26.*'),
    Cell('py311-compiled-mmcv', '3.11', compiled_mmcv=True),
    Cell('py310', '3.10'),
    Cell('py312', '3.12'),
    Cell('py313', '3.13'),
    Cell('py314', '3.14'),
    Cell('newest-torch', '3.11', torch='torch<3'),
    # The lowest torch that rsn_mm.stack admits, on the oldest Python.
    Cell('oldest', '3.10', torch='torch==2.6.0', numpy='numpy==1.26.*'),
    Cell('oldest-torch-numpy2', '3.10', torch='torch==2.6.0'),
)
PASSED, FAILED, NOT_INSTALLED, NOT_HERE = 'passed', 'failed', 'not installed', 'not here'
# What pip says where a registry has nothing for this interpreter and machine.
NO_WHEEL = re.compile(r'ERROR: (No matching distribution found for \S+|\S+ is not a supported wheel on this platform)')
COLUMNS = ('cell', 'result', 'Python', 'torch', 'numpy', 'OpenCV', 'mmcv', 'adapters', 'passed', 'failed', 'skipped', 'seconds')
# Failures of a cell below the table.
LISTED = 10


class CellError(Exception):
    """A cell ends here. ``args``: one of the results above, and why."""


def main() -> int:
    args = parse_arguments()
    args.out.mkdir(parents=True, exist_ok=True)
    ran = []
    for cell in args.cells:
        print(f'=== {cell.name}', flush=True)
        ran.append(run_cell(cell, args))
        (args.out / f'{cell.name}.json').write_text(json.dumps(ran[-1], indent=2) + '\n')
        print('   ', ran[-1]['result'], ran[-1].get('reason', ''), flush=True)
    files = [args.out / f'{cell.name}.json' for cell in CELLS]
    text = table([json.loads(file.read_text()) for file in files if file.is_file()])
    (args.out / 'matrix.md').write_text(text)
    print(text)
    return exit_status(ran)


def parse_arguments() -> argparse.Namespace:
    names = {cell.name: cell for cell in CELLS}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('cells', nargs='*', metavar='CELL', help=f'default: all of them: {", ".join(names)}')
    parser.add_argument('--out', type=Path, required=True, help='folder for results and logs')
    parser.add_argument('--python', action='append', default=[], metavar='3.X=FILE', help='an interpreter; may be repeated')
    parser.add_argument('--mmcv', type=Path, metavar='WHEEL', help='a compiled mmcv for the cells that ask for one')
    parser.add_argument('--pip-args', default='', help="further arguments of pip, such as an index of torch's wheels")
    parser.add_argument('--minutes', type=float, default=30, help='limit of each step of a cell (default: %(default)s)')
    parser.add_argument('--keep', action='store_true', help='keep the virtual environments, in OUT/<cell>')
    args = parser.parse_args()
    unknown = [name for name in args.cells if name not in names]
    if unknown:
        parser.error(f'no such cell: {", ".join(unknown)}. There are: {", ".join(names)}')
    if any('=' not in given for given in args.python):
        parser.error(f'--python {" ".join(args.python)}: give a version and a file, as in --python 3.14=/opt/bin/python3.14')
    args.python = dict(given.split('=', 1) for given in args.python)
    args.cells = [names[name] for name in args.cells] or list(CELLS)
    return args


def run_cell(cell: Cell, args: argparse.Namespace) -> Dict[str, Any]:
    """Install and test one cell, whatever happens; what was found, as plain types."""
    venv = args.out.resolve() / cell.name
    record: Dict[str, Any] = dict(cell=cell._asdict(), result=PASSED)
    began = time.monotonic()
    try:
        with open(f'{venv}.log', 'w+') as log:
            shutil.rmtree(venv, ignore_errors=True)
            install(cell, args, venv, Steps(log, args.minutes))
            record['install_seconds'] = round(time.monotonic() - began)
            began = time.monotonic()
            run_tests(venv, Steps(log, args.minutes), record)
    except CellError as error:
        record['result'], record['reason'] = error.args
    finally:
        record['seconds'] = round(time.monotonic() - began)
        if not args.keep:
            shutil.rmtree(venv, ignore_errors=True)
    return record


class Steps:
    """Runs commands one after another into one log."""

    def __init__(self, log: Any, minutes: float) -> None:
        self.log, self.minutes = log, minutes

    def run(self, command: Sequence[Any], **variables: str) -> Optional[int]:
        """Exit status, or None where the time was up; then the command's children are ended, too."""
        command = [str(part) for part in command]
        print('$', *command, file=self.log, flush=True)
        process = subprocess.Popen(command, cwd=ROOT, stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, **variables})
        try:
            return process.wait(self.minutes * 60)
        except subprocess.TimeoutExpired:
            return None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def text(self) -> str:
        self.log.seek(0)
        return self.log.read()


def install(cell: Cell, args: argparse.Namespace, venv: Path, steps: Steps) -> None:
    """The cell's environment.

    Raises:
        CellError: not here, or not installed.
    """
    python = find_python(cell.python, args.python)
    if python is None:
        raise CellError(NOT_HERE, f'no Python {cell.python} on the PATH or given by --python')
    if cell.compiled_mmcv and args.mmcv is None:
        raise CellError(NOT_HERE, 'no compiled mmcv given by --mmcv')
    constraints = Path(f'{venv}.constraints.txt')
    constraints.write_text(f'{cell.numpy}\n')
    commands = [[python, '-m', 'venv', venv]]
    if cell.compiled_mmcv:  # Before the rest: make leaves an mmcv alone that is there.
        commands.append([venv / 'bin/python', '-m', 'pip', 'install', '--no-deps', args.mmcv.resolve()])
    commands.append(['make', 'setup', f'PYTHON={python}', f'VENV={venv}', f'TORCH={cell.torch}',
                     f'PIP_ARGS=--constraint {constraints} {args.pip_args}'])
    for command in commands:
        status = steps.run(command)
        if status != 0:
            raise install_error(status, steps)


def find_python(wanted: str, given: Dict[str, str]) -> Optional[str]:
    """The file of an interpreter that runs and is of version ``wanted``, such as '3.12'."""
    for file in (given.get(wanted), shutil.which(f'python{wanted}'), sys.executable):
        if file is None:
            continue
        code = 'import sys; print("%d.%d" % sys.version_info[:2], sys.executable)'
        try:  # A shim of a version manager may be on the PATH for an interpreter that is switched off.
            answer = subprocess.run([file, '-c', code], capture_output=True, text=True).stdout.split(maxsplit=1)
        except OSError:
            continue
        if answer[:1] == [wanted]:
            return answer[1].strip()
    return None


def install_error(status: Optional[int], steps: Steps) -> CellError:
    """Tell what a registry does not have from what went wrong."""
    if status is None:
        return CellError(NOT_INSTALLED, f'not done within {steps.minutes:g} minutes')
    text = steps.text()
    no_wheel = NO_WHEEL.search(text)
    if no_wheel:
        return CellError(NOT_HERE, no_wheel.group(1))
    errors = [line for line in text.splitlines() if re.match(r'\s*(ERROR|error|\w*Error)\b', line)]
    return CellError(NOT_INSTALLED, errors[-1].strip() if errors else f'exit status {status}')


def run_tests(venv: Path, steps: Steps, record: Dict[str, Any]) -> None:
    """Run the short suite and put into ``record`` what is installed and what came of it.

    Raises:
        CellError: failed.
    """
    done = subprocess.run([venv / 'bin/rsn-mm', 'info', '--json'], cwd=venv, capture_output=True, text=True)
    print('$ rsn-mm info --json', done.stdout, done.stderr, sep='\n', file=steps.log, flush=True)
    if done.returncode:
        raise CellError(FAILED, 'rsn-mm info: ' + (done.stderr.strip().splitlines() or ['no message'])[-1])
    info = json.loads(done.stdout)
    record.update({key: info[key] for key in ('python', 'packages', 'adapters', 'cpu')})
    report = venv / 'report.xml'
    status = steps.run(['make', 'short', f'VENV={venv}', f'PYTEST_ARGS=--junitxml={report} -p no:cacheprovider'])
    if status is None:
        raise CellError(FAILED, f'tests not done within {steps.minutes:g} minutes')
    if not report.is_file():
        raise CellError(FAILED, f'pytest ended without a report, make with exit status {status}')
    record.update(read_report(report))
    if status != 0 or record['failures']:
        raise CellError(FAILED, f'{len(record["failures"])} tests failed')


def read_report(report: Path) -> Dict[str, Any]:
    """Of pytest's JUnit file: number of tests passed and of tests skipped for each reason, names of those that failed."""
    passed, failures, skipped = 0, [], {}
    for case in ElementTree.parse(report).iter('testcase'):
        if case.find('failure') is not None or case.find('error') is not None:
            failures.append(f'{case.get("classname")}::{case.get("name")}')
        elif case.find('skipped') is not None:
            reason = case.find('skipped').get('message', '')
            skipped[reason] = skipped.get(reason, 0) + 1
        else:
            passed += 1
    # A test whose teardown fails, too, stands there twice.
    return dict(passed=passed, failures=sorted(set(failures)), skipped=skipped)


def exit_status(records: Sequence[Dict[str, Any]]) -> int:
    return int(any(record['result'] in (FAILED, NOT_INSTALLED) for record in records))


def table(records: Sequence[Dict[str, Any]]) -> str:
    """Markdown. Adapters that every cell uses stand below it, and reasons and failures too."""
    everywhere = adapters_everywhere(records)
    rows = [COLUMNS, (':--', ) * 8 + ('--:', ) * 4]
    rows += [[str(part) for part in row(record, everywhere)] for record in records]
    lines = [f'| {" | ".join(cells)} |' for cells in rows]
    lines += ['', f'Adapters in use in every cell: {", ".join(everywhere) or "none"}.', '']
    for record in records:
        name = record['cell']['name']
        if 'reason' in record:
            lines.append(f'- {name}: {record["reason"]}')
        failures = record.get('failures', [])
        lines += [f'  - {failure}' for failure in failures[:LISTED]]
        lines += [f'  - and {len(failures) - LISTED} more, in {name}.json'] * (len(failures) > LISTED)
        lines += [f'- {name}: {count} skipped: {reason}' for reason, count in record.get('skipped', {}).items()]
    return '\n'.join(lines).rstrip() + '\n'


def adapters_everywhere(records: Sequence[Dict[str, Any]]) -> List[str]:
    known = [record['adapters'] for record in records if 'adapters' in record]
    return [name for name in known[0] if all(name in adapters for adapters in known)] if known else []


def row(record: Dict[str, Any], everywhere: Sequence[str]) -> List[Any]:
    cell = record['cell']
    if 'packages' not in record:
        return [cell['name'], record['result'], cell['python'], cell['torch'], cell['numpy']] + ['-'] * 7
    packages = record['packages']
    mmcv = next((f'{name} {packages[name]}' for name in ('mmcv', 'mmcv-lite') if name in packages), '-')
    adapters = ', '.join(name for name in record['adapters'] if name not in everywhere) or '-'
    counts = [record.get('passed', '-'), len(record['failures']) if 'failures' in record else '-',
              sum(record['skipped'].values()) if 'skipped' in record else '-', record['seconds']]
    return [cell['name'], record['result'], record['python'].split()[0], packages['torch'], packages['numpy'],
            packages.get('opencv-python-headless', '-'), mmcv, adapters, *counts]


if __name__ == '__main__':
    sys.exit(main())

"""Which adapters are used, what is said of them, and how they are switched off."""
import os
import subprocess
import sys

import pytest

from rsn_mm import compat

from .. import warm


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([warm.python(), '-c', code], env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=120)


def test_all_adapters_have_the_two_functions() -> None:
    for name in compat.ADAPTERS:
        adapter = __import__(f'rsn_mm.compat.{name}', fromlist=['missing'])
        assert callable(adapter.missing) and callable(adapter.install) and adapter.__doc__


SPEAKING = 'import logging; logging.basicConfig(level=logging.DEBUG); import rsn_mm; '


def test_adapters_in_use_are_named_once_and_in_the_log_alone() -> None:
    done = run(SPEAKING + 'import mmengine, rsn_mm.compat as c; c.activate(); print(sorted(c.active()))')
    line, = (line for line in done.stderr.splitlines() if 'adapters in use' in line)
    assert line.startswith('DEBUG:rsn_mm.compat:') and len(line) < 250, done.stderr
    assert all(name in line for name in eval(done.stdout))
    assert run('import rsn_mm, mmengine').stderr == ''


def test_ranks_other_than_0_stay_silent() -> None:
    assert 'adapters in use' not in run(SPEAKING + 'import mmengine', RANK='1').stderr


def test_all_can_be_switched_off() -> None:
    done = run('import rsn_mm, rsn_mm.compat as c; print(c.active())', RSN_MM_COMPAT='none')
    assert done.stdout.strip() == '{}'


def test_one_can_be_switched_off() -> None:
    done = run('import rsn_mm, rsn_mm.compat as c; print(sorted(c.active()))', RSN_MM_COMPAT='-checkpoint')
    assert "'checkpoint'" not in done.stdout


@pytest.mark.parametrize('switch', ['checkpoint', '-nonsense', 'all'])
def test_unknown_switches_are_refused(switch: str) -> None:
    done = run('import rsn_mm', RSN_MM_COMPAT=switch)
    assert done.returncode != 0
    assert f"RSN_MM_COMPAT={switch!r}" in done.stderr and 'Give "none", or a comma-separated list' in done.stderr


def test_importing_the_package_leaves_the_rest_unimported() -> None:
    code = "import sys, rsn_mm; print([m for m in ('torch', 'mmengine', 'mmpose', 'mmdet', 'mmcv') if m in sys.modules])"
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.stdout.strip() == '[]', done.stderr


@pytest.mark.parametrize('first', ['mmpose.apis', 'mmdet.apis', 'mmcv.ops', 'mmengine.runner', 'xtcocotools.coco',
                                   'rsn_mm.checkpoints.files'])
def test_whatever_of_the_stack_comes_first_finds_the_adapters(first: str) -> None:
    done = run(f'import rsn_mm, {first}, sys, rsn_mm.compat as c; assert c._active, "late"; '
               'import mmpose.apis, mmcv; print(mmcv.__spec__.loader is not None, len(mmcv.__path__), list(c._active) == '
               'list(c.active()), [f for f in sys.meta_path if type(f).__module__.endswith("_first_import")])')
    assert done.stdout.split() == ['True', '1', 'True', '[]'], done.stderr


def test_a_stack_that_is_there_already_gets_them_at_once() -> None:
    done = run('import mmengine, rsn_mm, rsn_mm.compat as c; print("checkpoint" in c._active)')
    assert done.stdout.strip() == 'True', done.stderr


def test_what_is_not_installed_is_still_missed() -> None:
    done = run('import rsn_mm.compat._first_import as f; '
               'f.before_first_import(["no_such_package"], lambda: print("called"))\nimport no_such_package')
    assert done.stdout.strip() == 'called' and "No module named 'no_such_package'" in done.stderr

"""Which adapters are used, what is said of them, and how they are switched off."""
import os
import subprocess
import sys

import pytest

from rsn_mm import compat


def run(code: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-c', code], env={**os.environ, **environment}, capture_output=True, text=True,
                          timeout=120)


def test_all_adapters_have_the_two_functions() -> None:
    for name in compat.ADAPTERS:
        adapter = __import__(f'rsn_mm.compat.{name}', fromlist=['missing'])
        assert callable(adapter.missing) and callable(adapter.install) and adapter.__doc__


def test_adapters_in_use_are_named_once() -> None:
    done = run('import rsn_mm, rsn_mm.compat as c; c.activate(); print(sorted(c.active()))')
    assert done.returncode == 0, done.stderr
    assert done.stderr.count('rsn_mm stands in for what is missing here') == 1
    assert all(name in done.stderr for name in eval(done.stdout))


def test_ranks_other_than_0_stay_silent() -> None:
    assert 'stands in' not in run('import rsn_mm', RANK='1').stderr


def test_all_can_be_switched_off() -> None:
    done = run('import rsn_mm, rsn_mm.compat as c; print(c.active())', RSN_MM_COMPAT='none')
    assert done.stdout.strip() == '{}' and 'stands in' not in done.stderr


def test_one_can_be_switched_off() -> None:
    done = run('import rsn_mm, rsn_mm.compat as c; print(sorted(c.active()))', RSN_MM_COMPAT='-checkpoint')
    assert "'checkpoint'" not in done.stdout


@pytest.mark.parametrize('switch', ['checkpoint', '-nonsense', 'all'])
def test_unknown_switches_are_refused(switch: str) -> None:
    done = run('import rsn_mm', RSN_MM_COMPAT=switch)
    assert done.returncode != 0
    assert f"RSN_MM_COMPAT={switch!r}" in done.stderr and 'Give "none", or a comma-separated list' in done.stderr


def test_importing_the_package_leaves_the_rest_unimported() -> None:
    done = run("import sys, rsn_mm; print([m for m in ('mmpose.models', 'mmdet', 'mmcv.ops') if m in sys.modules])")
    assert done.stdout.strip() == '[]', done.stderr

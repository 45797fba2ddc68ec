"""The ops stand in for MMCV's compiled ones: same results."""
import importlib
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from rsn_mm.compat import mmcv_ops
from rsn_mm.compat.ops import backend, ext

from .. import warm
from ..conftest import load_script

DATA = Path(__file__).parent.parent / 'data'
FAMILIES = ('nms', 'roi_align', 'roi_pool', 'deform_conv', 'modulated_deform_conv', 'focal_loss',
            'multi_scale_deform_attn')


script = load_script(DATA / 'make_mmcv_ops_reference.py')
CASES = {case.name: case for case in script.cases()}


@pytest.fixture(scope='module')
def reference():
    with np.load(DATA / 'mmcv_ops_reference.npz') as arrays:
        return dict(arrays)


@pytest.fixture(autouse=True)
def our_ops(monkeypatch):
    """Our pure ops behind mmcv.ops, even where compiled ones, or torchvision's, are at hand."""
    monkeypatch.setattr(backend, '_torchvision_runs_on', lambda device_type: False)
    for family in FAMILIES:
        monkeypatch.setattr(importlib.import_module(f'mmcv.ops.{family}'), 'ext_module', ext)


@pytest.fixture
def fresh_missing(monkeypatch):
    """``missing`` as in a new process in which mmcv._ext is the given module, or its import raises the given error."""

    def decide(module_or_error):
        if isinstance(module_or_error, ModuleType):
            monkeypatch.setitem(sys.modules, 'mmcv._ext', module_or_error)
        else:
            monkeypatch.delitem(sys.modules, 'mmcv._ext', raising=False)

            def find_spec(fullname, path=None, target=None):
                if fullname == 'mmcv._ext':
                    raise module_or_error

            finder = ModuleType('finder')
            finder.find_spec = find_spec
            monkeypatch.setattr(sys, 'meta_path', [finder, *sys.meta_path])
        return mmcv_ops.missing.__wrapped__()

    return decide


@pytest.mark.parametrize('name', CASES)
def test_results_and_gradients_are_those_of_the_compiled_ops(name, reference):
    results = script.run_case(CASES[name])
    for key, result in results.items():
        expected = reference[f'{name}/{key}']
        assert result.shape == expected.shape and result.dtype == expected.dtype, key
        if np.issubdtype(expected.dtype, np.integer):
            np.testing.assert_array_equal(result, expected, err_msg=key)
        else:
            np.testing.assert_allclose(result, expected, rtol=1e-5, atol=2e-6, err_msg=key)


def test_reference_has_no_case_that_is_not_run(reference):
    in_file = {key.rpartition('/')[0] for key in reference} - {''}
    assert in_file == set(CASES)


def test_every_name_of_the_compiled_module_is_there(reference):
    assert len(reference['names']) == 112
    assert all(callable(getattr(ext, name)) for name in reference['names'])


def test_a_name_that_is_no_op_is_not():
    assert not hasattr(ext, '__wrapped__') and not hasattr(ext, '_private')


def test_an_op_that_is_not_implemented_says_which_and_what_to_do():
    with pytest.raises(NotImplementedError, match='^carafe_forward is a compiled op.*mim install.*MMCV_WITH_OPS=1'):
        ext.carafe_forward(1, masks=2)


def test_reports_on_the_environment_get_strings():
    from mmcv.ops import get_compiler_version, get_compiling_cuda_version
    assert isinstance(get_compiler_version(), str) and isinstance(get_compiling_cuda_version(), str)


def test_compiled_ops_that_load_are_left_alone(fresh_missing):
    assert fresh_missing(ModuleType('mmcv._ext')) is None


def test_stand_in_is_not_taken_for_the_compiled_ops(fresh_missing):
    assert fresh_missing(ext) == 'the ops of mmcv have been replaced before'


def test_compiled_ops_that_do_not_load_are_named_in_the_reason(fresh_missing):
    reason = fresh_missing(ImportError('_ext.so: undefined symbol: _ZN3c10\nmore'))
    assert reason.startswith('the compiled ops of mmcv do not load beside torch') and reason.endswith('_ZN3c10')


def test_mmcv_without_ops_is_the_reason(fresh_missing):
    error = ModuleNotFoundError("No module named 'mmcv._ext'", name='mmcv._ext')
    assert fresh_missing(error) == 'mmcv has no compiled ops'


def test_another_missing_package_is_not_hidden(fresh_missing):
    with pytest.raises(ModuleNotFoundError, match='addict'):
        fresh_missing(ModuleNotFoundError("No module named 'addict'", name='addict'))


def test_the_stack_imports_in_a_fresh_interpreter():
    program = ('import rsn_mm, importlib.util\n'
               'import mmcv.ops, mmdet.models, mmpose.models, mmpose.apis, mmpose.visualization\n'
               'from mmengine.utils.dl_utils import mmcv_full_available\n'
               'assert mmcv_full_available()\n'
               'assert importlib.util.find_spec("mmcv._ext") and importlib.util.find_spec("torchvision")\n')
    done = subprocess.run([warm.python(), '-W', 'ignore', '-c', program], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr

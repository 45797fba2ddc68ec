"""Fixtures for the tests of single ops."""
import sys
from types import ModuleType

import pytest

from rsn_mm.compat.ops import backend


@pytest.fixture(autouse=True)
def pure_ops(monkeypatch):
    """No kernels of torchvision, even where they are at hand."""
    monkeypatch.setattr(backend, '_torchvision_runs_on', lambda device_type: False)


@pytest.fixture
def use_torchvision(monkeypatch):
    """Call it with functions by name to put them in the place of ``torchvision.ops``; without ``nms`` it is broken."""

    def use(**functions):
        package, ops = ModuleType('torchvision'), ModuleType('torchvision.ops')
        vars(ops).update(functions)
        package.ops = ops
        monkeypatch.setitem(sys.modules, 'torchvision', package)
        monkeypatch.setitem(sys.modules, 'torchvision.ops', ops)
        monkeypatch.setattr(backend, '_torchvision_runs_on', REAL_PROBE)

    return use


# Without its cache: the answer changes from test to test.
REAL_PROBE = backend._torchvision_runs_on.__wrapped__

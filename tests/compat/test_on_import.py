"""Functions that run once a module has been imported."""
import sys
from pathlib import Path
from types import ModuleType
from typing import List

import pytest

from rsn_mm.compat._on_import import on_import


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / 'rsn_mm_late_module.py').write_text('value = 1\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    yield 'rsn_mm_late_module'
    sys.modules.pop('rsn_mm_late_module', None)


def test_runs_after_a_later_import_and_only_once(module: str) -> None:
    seen: List[ModuleType] = []
    on_import(module, lambda imported: seen.append(imported.value))
    assert seen == [] and module not in sys.modules
    __import__(module)
    __import__(module)
    assert seen == [1]


def test_runs_at_once_for_what_is_imported(module: str) -> None:
    imported = __import__(module)
    seen: List[ModuleType] = []
    on_import(module, seen.append)
    assert seen == [imported]

"""Run a function once a module has been imported, now or later, without importing it."""
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Callable, Optional, Sequence


def on_import(name: str, function: Callable[[ModuleType], None]) -> None:
    """Call ``function(module)`` right after module ``name`` has run, or at once if it has already.

    Args:
        name (str): Full name of the module.
        function (Callable): What to do with it.
    """
    if name in sys.modules:
        function(sys.modules[name])
    else:
        sys.meta_path.insert(0, _Finder(name, function))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module through the other finders, and adds a call behind its execution."""

    def __init__(self, name: str, function: Callable[[ModuleType], None]) -> None:
        self.name = name
        self.function = function

    def find_spec(self, fullname: str, path: Optional[Sequence[str]], target: Optional[ModuleType] = None
                  ) -> Optional[ModuleSpec]:
        if fullname != self.name:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            self.function(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

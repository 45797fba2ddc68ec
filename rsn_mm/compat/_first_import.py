"""Run a function before the first package of a stack is imported, not before: until then nothing of it is imported."""
import importlib
import importlib.abc
import sys
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Callable, Collection, Optional, Sequence


def before_first_import(names: Collection[str], function: Callable[[], Any]) -> None:
    """Call ``function`` when the first of some top-level packages is asked for, or at once if one of them is there already.

    The function may import them itself, and may put other modules in their places.

    Args:
        names (Collection[str]): Names of the packages. They count as existing even where they are not installed.
        function (Callable): Called once, in the thread that imports; meanwhile imports are as usual.
    """
    if any(name in sys.modules for name in names):
        function()
    else:
        sys.meta_path.insert(0, _Finder(names, function))


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):

    def __init__(self, names: Collection[str], function: Callable[[], Any]) -> None:
        self._names = names
        self._function = function

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
                  ) -> Optional[ModuleSpec]:
        if fullname not in self._names or fullname in sys.modules:
            return None
        real = PathFinder.find_spec(fullname)
        spec = ModuleSpec(fullname, self, origin=None if real is None else real.origin, is_package=True)
        spec.submodule_search_locations = [] if real is None else real.submodule_search_locations
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        del sys.modules[module.__name__]  # until the function has run there is no such module
        if self in sys.meta_path:  # another thread may have been first
            sys.meta_path.remove(self)
            self._function()
        importlib.import_module(module.__name__)  # Python takes what stands under the name afterwards

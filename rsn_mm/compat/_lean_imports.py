"""Imports of a part of MMPose and MMEngine, without all of the rest of their packages.

``import mmpose.models.heads.base_head`` first runs the ``__init__`` of ``mmpose.models`` and ``mmpose.models.heads``, which
import every model there is, and with them data sets, SciPy, albumentations, Matplotlib, SymPy: seconds, for one class.
"""
import functools
import importlib
import importlib.util
import sys
import threading
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set, Tuple

from ._own_process import is_own_process

# ``mmengine`` itself takes all names of these.
_AT_ONCE = {f'mmengine.{name}' for name in ('config', 'fileio', 'logging', 'registry', 'utils')}
_STACK = ('mmengine', 'mmpose')
# Of ours, what is inside imports what it needs: no type that a model for prediction names stands for another one of the stack
# until then (tested).
OWN = __name__.partition('.')[0]


@contextmanager
def lean_imports() -> Iterator[None]:
    """Inside, packages of MMPose and MMEngine import their modules as their names are asked for, in a process of our own.

    Afterwards the packages are imported as usual when they are next asked for; the modules and classes are the same ones.
    Packages that have been imported before stay as they are. A registry that is asked for a type it does not know, or for all
    its modules, ends it at once, and imports as usual. In other processes nothing of this happens: other threads and other code
    would see packages that have not run.
    """
    if not is_own_process():
        yield
        return
    _finder.enter()
    try:
        yield
    finally:
        _finder.leave()


class _Package(ModuleType):
    """A package whose ``__init__`` has not been run."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith('__') and name != '__all__':
            raise AttributeError(f'module {self.__name__!r} has no attribute {name!r}')
        found = None if name == '__all__' else _find(self.__name__, Path(self.__path__[0]), name)
        if found is not None:
            module = importlib.import_module(found[0])
            value = module if found[1] is None else getattr(module, found[1])
        elif name != '__all__' and importlib.util.find_spec(f'{self.__name__}.{name}') is not None:
            value = importlib.import_module(f'{self.__name__}.{name}')
        else:
            value = getattr(_finder.whole(self.__name__), name)
        setattr(self, name, value)
        return value


class _Finder(MetaPathFinder, Loader):
    """Finds packages of the stack, without running them or, once that is over, as they are."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._users = self._ends = 0
        self.lean = False
        self._met: Set[str] = set()
        self._methods: Optional[_Methods] = None

    def enter(self) -> None:
        with self._lock:
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)
            self.lean = self.lean or not self._users
            self._users += 1
        try:
            from mmengine.registry import Registry  # the adapters come first, and import a part of the stack themselves
        except BaseException:
            self.leave()
            raise
        with self._lock:
            if self.lean and self._methods is None:
                self._methods = _Methods(Registry)
                self._methods.patch()

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self.end()

    def end(self) -> None:
        """Import as usual from now on."""
        with self._lock:
            self.lean = False
            self._ends += 1
            if self._methods is not None:
                self._methods.restore()
                self._methods = None
            for name in self._met:
                if isinstance(sys.modules.get(name), _Package):
                    self._forget(name)

    def whole(self, name: str) -> ModuleType:
        """A package as it is."""
        with self._lock:
            lean, ends = self.lean, self._ends
            self.lean = False
            if isinstance(sys.modules.get(name), _Package):
                self._forget(name)
        try:
            return importlib.import_module(name)
        finally:
            with self._lock:
                self.lean = lean and ends == self._ends

    def _forget(self, name: str) -> None:
        package, _, own = name.rpartition('.')
        sys.modules.pop(name, None)
        if package in sys.modules:
            vars(sys.modules[package]).pop(own, None)

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
                  ) -> Optional[ModuleSpec]:
        if not _in_stack(fullname) or '.' not in fullname or fullname in _AT_ONCE:
            return None
        if not self.lean and fullname not in self._met:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.submodule_search_locations is None or spec.loader is None:
            return None
        if self.lean:
            self._met.add(fullname)
            spec.loader = self
        else:
            _bind_modules_afterwards(spec)
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _Methods:
    """``Registry.get`` and ``Registry.import_from_location`` without an import of all modules that hold types, as long as the
    types that are asked for are known."""

    def __init__(self, registry: Any) -> None:
        self.registry = registry
        self.get, self.import_from_location = registry.get, registry.import_from_location
        self._thread = threading.local()

    def patch(self) -> None:
        """Not methods of this class: functions, which become the registry's."""

        @functools.wraps(self.get)
        def get(registry: Any, key: str) -> Any:
            self._thread.depth = getattr(self._thread, 'depth', 0) + 1
            try:
                found = self.get(registry, key)
            finally:
                self._thread.depth -= 1
            if found is None:  # it may be in a module that has been left out
                _finder.end()
                found = self.get(registry, key)
            return found

        @functools.wraps(self.import_from_location)
        def import_from_location(registry: Any) -> None:
            if not any(map(_in_stack, (registry.scope, *registry._locations))):
                self.import_from_location(registry)
            elif getattr(self._thread, 'depth', 0) and _finder.lean:
                for name in registry._locations:  # what others add comes before types of the same name in the stack
                    if not _in_stack(name) and name.partition('.')[0] != OWN:
                        importlib.import_module(name)
            else:
                _finder.end()
                self.import_from_location(registry)

        self.registry.get, self.registry.import_from_location = get, import_from_location

    def restore(self) -> None:
        self.registry.get, self.registry.import_from_location = self.get, self.import_from_location


def _in_stack(name: Optional[str]) -> bool:
    return (name or '').partition('.')[0] in _STACK


def _bind_modules_afterwards(spec: ModuleSpec) -> None:
    """Modules that have been imported before their package are its attributes all the same."""
    execute = spec.loader.exec_module  # type: ignore[union-attr]

    def exec_module(module: ModuleType) -> None:
        execute(module)
        start = module.__name__ + '.'
        for name, loaded in list(sys.modules.items()):
            if name.startswith(start) and '.' not in name[len(start):]:
                vars(module).setdefault(name[len(start):], loaded)

    spec.loader.exec_module = exec_module  # type: ignore[union-attr, method-assign]


def _find(package: str, folder: Path, name: str) -> Optional[Tuple[str, Optional[str]]]:
    """The module that a package takes a name from, and the name there (None: the module itself); None if it does not say."""
    names, stars = _names(folder)
    if name in names:
        module, original = names[name]
        return (f'{package}.{original}', None) if module is None else (f'{package}.{module}', original)
    for star in stars:
        if (folder / star / '__init__.py').is_file() and _find(f'{package}.{star}', folder / star, name) is not None:
            return f'{package}.{star}', name
    return None


_read: Dict[Path, Tuple[Dict[str, Tuple[Optional[str], str]], List[str]]] = {}


def _names(folder: Path) -> Tuple[Dict[str, Tuple[Optional[str], str]], List[str]]:
    """What a package's ``__init__`` imports from its own modules: name -> (module, name there), and modules it takes all of."""
    if folder not in _read:
        import ast
        names: Dict[str, Tuple[Optional[str], str]] = {}
        stars = []
        for statement in ast.parse((folder / '__init__.py').read_text(encoding='utf-8')).body:
            if isinstance(statement, ast.ImportFrom) and statement.level == 1:
                for one in statement.names:
                    if one.name == '*':
                        stars.append(str(statement.module))
                    else:
                        names[one.asname or one.name] = (statement.module, one.name)
        _read[folder] = names, stars
    return _read[folder]


_finder = _Finder()

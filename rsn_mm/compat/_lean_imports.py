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
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

# ``mmengine`` itself takes all names of these.
_AT_ONCE = {f'mmengine.{name}' for name in ('config', 'fileio', 'logging', 'registry', 'utils')}
_STACK = ('mmengine', 'mmpose')


class NeedsWholePackages(RuntimeError):
    """A registry was asked for a type that may be in a module that has been left out."""


@contextmanager
def lean_imports() -> Iterator[None]:
    """Inside, packages of MMPose and MMEngine import their modules as their names are asked for.

    Afterwards the packages are imported as usual when they are next asked for; the modules and classes are the same ones.
    Packages that have been imported before stay as they are. Registries know what has been imported so far.

    Raises:
        NeedsWholePackages: from inside, if a registry is asked for a type that it does not know.
    """
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
        self._lock = threading.Lock()
        self._users = 0
        self._met: Set[str] = set()
        self._registry: Any = None
        self.thread = threading.local()

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self not in sys.meta_path:
                sys.meta_path.insert(0, self)
        self.thread.depth = getattr(self.thread, 'depth', 0) + 1
        try:
            from mmengine.registry import Registry  # the adapters come first, and import a part of the stack themselves
        except BaseException:
            self.leave()
            raise
        with self._lock:
            if self._registry is None:
                self._registry, self._methods = Registry, (Registry.get, Registry.import_from_location)
                Registry.get, Registry.import_from_location = map(_of_known_types, self._methods)

    def leave(self) -> None:
        self.thread.depth -= 1
        with self._lock:
            self._users -= 1
            if self._users:
                return
            if self._registry is not None:
                self._registry.get, self._registry.import_from_location = self._methods
                self._registry = None
            for name in self._met:
                if isinstance(sys.modules.get(name), _Package):
                    self._forget(name)

    def whole(self, name: str) -> ModuleType:
        """A package as it is."""
        with self._lock:
            users, self._users = self._users, 0
            self._forget(name)
        try:
            return importlib.import_module(name)
        finally:
            with self._lock:
                self._users += users

    def _forget(self, name: str) -> None:
        package, _, own = name.rpartition('.')
        sys.modules.pop(name, None)
        if package in sys.modules:
            vars(sys.modules[package]).pop(own, None)

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Optional[ModuleType] = None
                  ) -> Optional[ModuleSpec]:
        if fullname.partition('.')[0] not in _STACK or '.' not in fullname or fullname in _AT_ONCE:
            return None
        if not self._users and fullname not in self._met:
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is None or spec.submodule_search_locations is None or spec.loader is None:
            return None
        if self._users:
            self._met.add(fullname)
            spec.loader = self
        else:
            self._met.discard(fullname)
            _bind_modules_afterwards(spec)
        return spec

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _Package(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


def _of_known_types(method: Callable[..., Any]) -> Callable[..., Any]:
    """``Registry.get`` and ``Registry.import_from_location``, in threads that are inside: without an import of all modules with
    types, and where ``get`` would say None."""

    @functools.wraps(method)
    def of_known_types(registry: Any, *key: str) -> Any:
        inside = getattr(_finder.thread, 'depth', 0) > 0
        if inside and not key:
            return None
        found = method(registry, *key)
        if inside and found is None:
            raise NeedsWholePackages(f'{key[0]!r} of the registry {registry.name!r}')
        return found

    return of_known_types


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

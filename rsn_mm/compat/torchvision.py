"""Adapter: :mod:`rsn_mm.compat.vision` in the place of torchvision, where that is missing or does not load.

The wheels of torchvision on PyPI are built for CUDA. Beside a CPU build of torch, or beside a torch of another version,
``import torchvision`` raises ``RuntimeError: operator torchvision::nms does not exist``, and with it fails the import
of ``mmpose.visualization`` and of everything that needs it.
"""
import functools
import importlib
import importlib.abc
import importlib.metadata
import sys
from typing import Any, Callable, Optional, Sequence

import torch

_SUBMODULES = ('transforms', 'ops')
_STAND_IN = 'rsn_mm.compat.vision'


@functools.cache
def missing() -> Optional[str]:
    """Why the adapter is needed here.

    Returns:
        str | None: the reason, or None where torchvision imports. Found out once per process.
    """
    if _installed():
        return 'torchvision has been replaced before'
    if 'torchvision' not in sys.modules:
        _forget()  # what a failed import leaves behind makes the next one fail elsewhere, perhaps half-way
    try:
        for name in _SUBMODULES:
            importlib.import_module(f'torchvision.{name}')
    except Exception as error:  # depends on the build: RuntimeError, OSError, ImportError, AttributeError, ...
        _forget()
        return _reason(error)
    return None


def install() -> None:
    """Make ``torchvision`` and two of its submodules names of :mod:`rsn_mm.compat.vision`."""
    package = importlib.import_module(_STAND_IN)
    _forget()
    sys.modules['torchvision'] = package
    for name in _SUBMODULES:
        sys.modules[f'torchvision.{name}'] = importlib.import_module(f'{_STAND_IN}.{name}')
    if not any(isinstance(finder, _UnknownSubmodules) for finder in sys.meta_path):
        sys.meta_path.insert(0, _UnknownSubmodules())


def remedy() -> str:
    """What to type to have the real torchvision."""
    major, minor = torch.__version__.split('.')[:2]
    # torchvision 0.15 came out with torch 2.0, and both have counted up together since.
    wanted = f'torchvision==0.{int(minor) + 15}.*' if major == '2' and minor.isdigit() else 'torchvision'
    index = 'cpu' if torch.version.cuda is None else 'cu' + torch.version.cuda.replace('.', '')
    return (f'Install the torchvision that was built for torch {torch.__version__}: '
            f'pip install --force-reinstall --no-deps "{wanted}" --index-url https://download.pytorch.org/whl/{index}')


def explain_missing(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module that stands in for one of torchvision's.

    Args:
        module (str): the name that users know it by, as ``'torchvision.ops'``.

    Returns:
        Callable: takes the name of an attribute that the module lacks and raises an AttributeError that says why it is
        not there, and what to do about it.
    """

    def explain(name: str) -> Any:
        raise AttributeError(f'{module}.{name} is not available: {missing()}, and rsn_mm replaces only what MMPose and '
                             f'MMDetection themselves use of it. {remedy()}')

    return explain


class _UnknownSubmodules(importlib.abc.MetaPathFinder):
    """Lets ``import torchvision.models`` say what to do, where Python only says that there is no such module."""

    def find_spec(self, fullname: str, path: Optional[Sequence[str]] = None, target: Any = None) -> None:
        # `from torchvision import models` looks for it under the package's own name.
        if fullname.startswith(('torchvision.', f'{_STAND_IN}.')) and _installed():
            wanted = fullname.replace(_STAND_IN, 'torchvision')
            # An error that carries the submodule's name would be swallowed by that statement.
            raise ModuleNotFoundError(f'No module named {wanted!r}: {missing()}, and rsn_mm replaces only what MMPose '
                                      f'and MMDetection themselves use of it. {remedy()}', name='torchvision')


def _installed() -> bool:
    return getattr(sys.modules.get('torchvision'), '__name__', None) == _STAND_IN


def _forget() -> None:
    for name in [name for name in sys.modules if name.partition('.')[0] == 'torchvision']:
        del sys.modules[name]


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == 'torchvision':
        return 'torchvision is not installed'
    try:
        version = importlib.metadata.version('torchvision')
    except importlib.metadata.PackageNotFoundError:
        version = '(of unknown version)'
    first_line = (str(error).splitlines() or [''])[0]
    return (f'torchvision {version} does not load beside torch {torch.__version__}: '
            f'{type(error).__name__}: {first_line[:120]}')

"""Adapter: pycocotools in the place of xtcocotools.

MMPose reads annotations and scores key points with xtcocotools, which has no wheel for Python >= 3.12 and whose older
wheels do not import beside numpy 2. :mod:`rsn_mm.compat.coco` gives the same results on top of pycocotools.
"""
import importlib
import sys
from typing import Optional

_SUBMODULES = ('coco', 'cocoeval', 'mask')


def missing() -> Optional[str]:
    """Why the adapter is needed here.

    Returns:
        str | None: the reason, or None where xtcocotools with all of its submodules imports.
    """
    try:
        for name in ('xtcocotools', *(f'xtcocotools.{name}' for name in _SUBMODULES)):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == 'xtcocotools':
            return 'xtcocotools is not installed'
        return f'xtcocotools does not import: {error}'
    except Exception as error:  # a wheel built for numpy 1 raises ValueError or ImportError, depending on numpy
        return f'xtcocotools does not import: {error}'
    return None


def install() -> None:
    """Make ``xtcocotools`` and its submodules names of :mod:`rsn_mm.compat.coco`.

    They are aliases, so a pickled object refers to rsn_mm and unpickles in a process that has not imported it yet.

    Raises:
        ImportError: if pycocotools does not import either.
    """
    try:
        package = importlib.import_module('rsn_mm.compat.coco')
        modules = {name: importlib.import_module(f'{package.__name__}.{name}') for name in _SUBMODULES}
    except ImportError as error:
        raise ImportError(f'xtcocotools is missing, and pycocotools, which stands in for it, does not import either: '
                          f'{error}. Install one of them: pip install pycocotools') from error
    # A broken wheel leaves behind those of its modules that did import.
    for name in [name for name in sys.modules if name.partition('.')[0] == 'xtcocotools']:
        del sys.modules[name]
    sys.modules['xtcocotools'] = package
    for name, module in modules.items():
        sys.modules[f'xtcocotools.{name}'] = module

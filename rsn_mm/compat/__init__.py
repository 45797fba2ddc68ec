"""Adapters that let MMPose 1.x run on today's PyTorch, numpy and setuptools.

Each adapter is one module of this folder and closes one gap of the OpenMMLab stack from outside. An adapter module has
two functions:

``missing() -> str | None``
    Why the adapter is needed here ("mmcv has no compiled ops"), or None where the real thing works: then the real
    thing is used and the adapter stays out of the way.
``install() -> None``
    Closes the gap. Called once per process, and only after ``missing`` gave a reason.

:func:`activate` runs after ``import rsn_mm``, before the first package of the stack is imported. At level DEBUG it says once
per program which adapters it installed; ``rsn-mm info`` says why. The environment
variable ``RSN_MM_COMPAT`` switches adapters off: ``RSN_MM_COMPAT=none`` all of them, ``RSN_MM_COMPAT=-mmcv_ops,-torchvision``
the named ones.
"""
import importlib
import logging
import multiprocessing
import os
import threading
from typing import Dict, FrozenSet

from ._first_import import before_first_import
from ._lean_imports import lean_imports
from ._own_process import claim_process, is_own_process

__all__ = ['ADAPTERS', 'activate', 'activate_before_the_stack', 'active', 'claim_process', 'is_own_process',
           'lean_imports']

# Order matters: modules that stand in for a missing package come before everything that imports it.
ADAPTERS = ('home', 'pkg_resources', 'pkgutil_find_loader', 'torchvision', 'mmcv_ops', 'xtcocotools', 'checkpoint',
            'distributed', 'amp', 'half_precision', 'compile', 'drawing', 'albumentations', 'named_configs', 'config_text',
            'no_workers', 'stages', 'spawn')
SWITCH = 'RSN_MM_COMPAT'
# Nothing of these is imported before the adapters are in place.
STACK = ('torchvision', 'xtcocotools', 'mmengine', 'mmcv', 'mmdet', 'mmpose')

_active: Dict[str, str] = {}
_done = False
_lock = threading.RLock()


def activate_before_the_stack() -> None:
    """Call :func:`activate` when the first package of the stack is imported, at once if one is already.

    Raises:
        ValueError: if ``RSN_MM_COMPAT`` names an adapter that does not exist.
    """
    if _switched_off(os.environ.get(SWITCH, '')) != frozenset(ADAPTERS):
        before_first_import(STACK, activate)


def activate() -> Dict[str, str]:
    """Install every adapter that is needed and not switched off.

    Returns:
        dict: name of each adapter in use -> why it is needed here. Calling it again changes nothing.

    Raises:
        ValueError: if ``RSN_MM_COMPAT`` names an adapter that does not exist.
    """
    global _done
    with _lock:
        if _done:
            return dict(_active)
        _done = True  # what is imported meanwhile may ask again
        try:
            _install(_switched_off(os.environ.get(SWITCH, '')))
        except BaseException:
            _done = False
            raise
    _announce()
    return dict(_active)


def active() -> Dict[str, str]:
    """Name of each adapter in use -> why it is needed here."""
    return activate()


def _install(disabled: FrozenSet[str]) -> None:
    for name in ADAPTERS:
        if name in disabled:
            continue
        adapter = importlib.import_module(f'{__name__}.{name}')
        reason = adapter.missing()
        if reason is not None:
            adapter.install()
            _active[name] = reason


def _switched_off(setting: str) -> FrozenSet[str]:
    if setting.strip() == 'none':
        return frozenset(ADAPTERS)
    names = [part.strip() for part in setting.split(',') if part.strip()]
    for name in names:
        if not name.startswith('-') or name[1:] not in ADAPTERS:
            raise ValueError(f'{SWITCH}={setting!r}: {name!r} is not a switch. Give "none", or a comma-separated list of '
                             f'adapters to switch off, each with a leading "-": {", ".join("-" + a for a in ADAPTERS)}.')
    return frozenset(name[1:] for name in names)


def _announce() -> None:
    """One line per program: worker processes and ranks other than 0 stay silent."""
    # A spawned worker imports this before Python has told it of its parent.
    is_worker = multiprocessing.parent_process() is not None or getattr(
        multiprocessing.current_process(), '_inheriting', False)
    if not _active or is_worker or os.environ.get('RANK', '0') != '0':
        return
    logging.getLogger('rsn_mm.compat').debug('adapters in use: %s (rsn-mm info says why)', ', '.join(_active))

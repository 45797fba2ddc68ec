"""Adapters that let MMPose 1.x run on today's PyTorch, numpy and setuptools.

Each adapter is one module of this folder and closes one gap of the OpenMMLab stack from outside. An adapter module has
two functions:

``missing() -> str | None``
    Why the adapter is needed here ("mmcv has no compiled ops"), or None where the real thing works: then the real
    thing is used and the adapter stays out of the way.
``install() -> None``
    Closes the gap. Called once per process, and only after ``missing`` gave a reason.

:func:`activate` runs at ``import rsn_mm``. It says once per program which adapters it installed. The environment
variable ``RSN_MM_COMPAT`` switches adapters off: ``RSN_MM_COMPAT=none`` all of them, ``RSN_MM_COMPAT=-mmcv_ops,-torchvision``
the named ones.
"""
import importlib
import logging
import multiprocessing
import os
from typing import Dict, FrozenSet

# Order matters: modules that stand in for a missing package come before everything that imports it.
ADAPTERS = ('home', 'pkg_resources', 'pkgutil_find_loader', 'torchvision', 'mmcv_ops', 'xtcocotools', 'checkpoint',
            'distributed', 'amp', 'half_precision', 'compile', 'drawing', 'albumentations', 'named_configs', 'no_workers',
            'spawn')
SWITCH = 'RSN_MM_COMPAT'

_active: Dict[str, str] = {}
_done = False


def activate() -> Dict[str, str]:
    """Install every adapter that is needed and not switched off.

    Returns:
        dict: name of each adapter in use -> why it is needed here. Calling it again changes nothing.

    Raises:
        ValueError: if ``RSN_MM_COMPAT`` names an adapter that does not exist.
    """
    global _done
    if _done:
        return dict(_active)
    disabled = _switched_off(os.environ.get(SWITCH, ''))
    for name in ADAPTERS:
        if name in disabled:
            continue
        adapter = importlib.import_module(f'{__name__}.{name}')
        reason = adapter.missing()
        if reason is not None:
            adapter.install()
            _active[name] = reason
    _done = True
    _announce()
    return dict(_active)


def active() -> Dict[str, str]:
    """Name of each adapter in use -> why it is needed here."""
    return dict(_active)


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
    # Without a handler Python prints a warning's bare text to stderr; a program with logging set up decides for itself.
    logging.getLogger('rsn_mm.compat').warning(
        'rsn_mm stands in for what is missing here: %s. (%s=none switches this off.)',
        '; '.join(f'{name} ({reason})' for name, reason in _active.items()), SWITCH)

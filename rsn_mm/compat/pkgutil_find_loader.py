"""Adapter: ``pkgutil.find_loader``, which Python 3.14 removed.

MMEngine and MMCV look for MMCV's compiled ops with it: ``mmengine.utils.dl_utils.mmcv_full_available`` runs whenever an
optimizer is built with ``paramwise_cfg``, or SyncBN is converted.
"""
import importlib.abc
import importlib.util
import pkgutil
from typing import Optional


def missing() -> Optional[str]:
    """Why the adapter is needed here, or None where ``pkgutil`` still has the function."""
    return None if hasattr(pkgutil, 'find_loader') else 'Python has no pkgutil.find_loader any more'


def install() -> None:
    """Give ``pkgutil`` the function."""
    pkgutil.find_loader = find_loader  # type: ignore[attr-defined]


def find_loader(fullname: str) -> Optional[importlib.abc.Loader]:
    """The loader of a module.

    Args:
        fullname (str): absolute dotted name. Its parent packages are imported.

    Returns:
        Loader | None: the loader, or None where there is no such module.

    Raises:
        ImportError: if a parent package does not import, or the name cannot be looked up.
    """
    try:
        spec = importlib.util.find_spec(fullname)
    except (AttributeError, TypeError, ValueError) as error:
        raise ImportError(f'Cannot look up {fullname!r}: {error}') from error
    return None if spec is None else spec.loader

"""Data loader workers that are spawned rather than forked import ``rsn_mm`` before they unpickle their data set.

A fresh interpreter would otherwise begin with MMPose, which does not import without these adapters.
"""
import functools
import multiprocessing.spawn
from typing import Any, Dict, Optional

ENTRY = 'rsn_mm'


def missing() -> Optional[str]:
    from . import active
    return 'spawned workers need the adapters above, too' if active() else None


def install() -> None:
    original = multiprocessing.spawn.get_preparation_data

    @functools.wraps(original)
    def get_preparation_data(name: str) -> Dict[str, Any]:
        # Python ignores entries that it does not know; unpickling this one imports the package.
        return {**original(name), ENTRY: _of_this_package}

    multiprocessing.spawn.get_preparation_data = get_preparation_data


def _of_this_package() -> None:
    """Pickled by name only."""

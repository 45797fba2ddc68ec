"""Setuptools 82 dropped ``pkg_resources``, which MMEngine and openmim import while they run.

There is nothing to stand in for: an older setuptools installs beside everything else. So this adapter only says so,
before training ends in a bare ModuleNotFoundError.
"""
import importlib.util
from typing import Optional


def missing() -> Optional[str]:
    if importlib.util.find_spec('pkg_resources') is None:
        return 'setuptools >= 82 has no pkg_resources'
    return None


def install() -> None:
    raise ImportError('MMEngine and openmim need pkg_resources, which setuptools dropped in version 82 (and a virtual '
                      "environment of Python >= 3.12 has no setuptools at all). Remedy: pip install 'setuptools<82'")

"""Versions of the stack that this package works with, checked when it is imported."""
from importlib.metadata import PackageNotFoundError, version
from typing import NamedTuple, Optional, Tuple

from packaging.version import Version


class Requirement(NamedTuple):
    """One of ``distributions`` must be installed with ``lowest <= version < limit``; ``remedy`` is what pip must do."""
    distributions: Tuple[str, ...]
    lowest: str
    limit: str
    remedy: str


REQUIREMENTS = (
    # Before 2.6 torch.load(weights_only=True) could be made to run code (CVE-2025-32434).
    Requirement(('torch', ), '2.6', '3', 'torch'),
    Requirement(('mmengine', 'mmengine-lite'), '0.10.5', '0.11', 'mmengine==0.10.7'),
    Requirement(('mmcv', 'mmcv-lite'), '2.0.1', '2.3', '--no-deps mmcv-lite==2.1.0'),
    Requirement(('mmpose', ), '1.3', '1.4', '--no-deps mmpose==1.3.2'),
)


def check_stack() -> None:
    """Refuse versions that are known not to work.

    Raises:
        ImportError: naming the package, what is installed, what is needed, and the command that mends it.
    """
    for requirement in REQUIREMENTS:
        found = [installed for installed in map(_installed, requirement.distributions) if installed is not None]
        needed = f'{requirement.distributions[0]} >= {requirement.lowest}, < {requirement.limit}'
        if not found:
            raise ImportError(f'rsn_mm needs {needed}, which is not installed. Remedy: pip install {requirement.remedy}')
        if not Version(requirement.lowest) <= Version(Version(found[0]).base_version) < Version(requirement.limit):
            raise ImportError(f'rsn_mm needs {needed}, but {found[0]} is installed. Remedy: pip install '
                              f'{requirement.remedy}')


def _installed(distribution: str) -> Optional[str]:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None

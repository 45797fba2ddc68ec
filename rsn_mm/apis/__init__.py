"""What people run: poses from pictures and video, MMPose's tools, the demo."""
import sys
from typing import Any

__all__ = ['PoseInferencer', 'PoseResult', 'PoseStream', 'Skipped']


def __getattr__(name: str) -> Any:
    """Import when asked for: training and test need none of it."""
    if name == 'PoseInferencer':
        from ..compat import lean_imports
        from ..files import check_working_folder
        if 'torch' not in sys.modules:
            check_working_folder()
        with lean_imports():  # all of MMPose's models would take seconds
            from .inferencer import PoseInferencer
        return PoseInferencer
    if name in ('PoseResult', 'Skipped'):
        from . import results
        return getattr(results, name)
    if name == 'PoseStream':
        from .stream import PoseStream
        return PoseStream
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

"""``PoseLocalVisualizer`` with its OpenCV backend on numpy >= 2.4.

MMPose hands circles a radius of shape (1, ), which numpy no longer turns into an integer.
"""
from types import ModuleType
from typing import Any, Optional

import numpy as np

from ._on_import import on_import


def missing() -> Optional[str]:
    try:
        int(np.ones(1))
    except TypeError:
        return 'numpy no longer makes numbers of one-element arrays'
    return None


def install() -> None:
    on_import('mmpose.visualization.opencv_backend_visualizer', _give_circles_a_plain_radius)


def _give_circles_a_plain_radius(module: ModuleType) -> None:
    cls = module.OpencvBackendVisualizer
    original = cls.draw_circles

    def draw_circles(self: Any, center: Any, radius: Any, *args: Any, **kwargs: Any) -> Any:
        if self.backend == 'opencv':
            radius = float(np.asarray(radius).reshape(-1)[0])
        return original(self, center, radius, *args, **kwargs)

    cls.draw_circles = draw_circles

"""RSN (Residual Steps Network) and PRM (Pose Refine Machine) for MMPose 1.x.

Importing the package makes the OpenMMLab stack importable on today's PyTorch (see :mod:`rsn_mm.compat`) and registers
nothing by itself: MMEngine imports :mod:`rsn_mm.registry` when it meets the scope ``rsn_mm``. Import it before
``mmpose.apis`` or ``mmdet.apis``.
"""
from . import compat
from .stack import check_stack
from .version import __version__

check_stack()
compat.activate()

__all__ = ['__version__']

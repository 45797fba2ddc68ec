"""RSN (Residual Steps Network) and PRM (Pose Refine Machine) for MMPose 1.x.

Importing the package makes the OpenMMLab stack importable on today's PyTorch (see :mod:`rsn_mm.compat`): the adapters are
installed when the first package of the stack is imported, so that importing this one costs nothing. It registers nothing by
itself: MMEngine imports :mod:`rsn_mm.registry` when it meets the scope ``rsn_mm``. Import it before ``mmpose.apis`` or
``mmdet.apis``.
"""
from . import compat
from .stack import check_stack
from .version import __version__

check_stack()
compat.activate_before_the_stack()

__all__ = ['__version__']

"""What OpenMMLab's packages use of torchvision; :mod:`rsn_mm.compat.torchvision` gives it the name ``torchvision``.

* ``transforms.ToPILImage``: MMPose draws SimCC heatmaps with it.
* ``ops.roi_align``: MMCV's ``RoIAlign(use_torchvision=True)``. ``ops.box_iou``: MMDetection's ``MaxIoUAssigner``.
* ``__version__``: MMEngine's report on the environment.
"""
from ..torchvision import explain_missing
from . import ops, transforms

__version__ = '0.0.0+rsn.mm'
__getattr__ = explain_missing('torchvision')
__all__ = ['ops', 'transforms']

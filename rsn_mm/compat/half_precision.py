"""MMPose under autocast (``--amp``, ``fp16=True`` of a test loop): numpy gets float32.

MMPose's heads turn predictions into numpy arrays for accuracies and for decoding. numpy has no bfloat16, and OpenCV and
numpy's linear algebra take no float16.
"""
import sys
from types import ModuleType
from typing import Any, Optional

import torch
from mmengine.structures import BaseDataElement

from ._on_import import on_import

_HALVES = (torch.bfloat16, torch.float16)


def missing() -> Optional[str]:
    return 'MMPose turns half precision into numpy arrays'


def install() -> None:
    on_import('mmpose.utils.tensor_utils', _widen_to_numpy)
    on_import('mmpose.structures.utils', _widen_heatmaps)
    on_import('mmpose.models.losses.classification_loss', _leave_autocast)
    numpy = BaseDataElement.numpy

    def of_float32(self: BaseDataElement) -> BaseDataElement:
        new = self.new()
        for name, value in self.items():
            if isinstance(value, torch.Tensor) and value.dtype in _HALVES:
                new.set_data({name: value.float()})
        return numpy(new)

    BaseDataElement.numpy = of_float32


def _widen_to_numpy(module: ModuleType) -> None:
    original = module.to_numpy

    # It calls itself by this name for the elements of sequences.
    def to_numpy(x: Any, return_device: bool = False, unzip: bool = False) -> Any:
        return original(_widened(x), return_device, unzip)

    _replace(original, to_numpy)


def _widen_heatmaps(module: ModuleType) -> None:
    original = module.revert_heatmap

    def revert_heatmap(heatmap: Any, *args: Any, **kwargs: Any) -> Any:
        return original(_widened(heatmap), *args, **kwargs)

    _replace(original, revert_heatmap)


def _leave_autocast(module: ModuleType) -> None:
    """On CUDA, autocast refuses the cross entropy of probabilities, which visibility heads have."""
    original = module.BCELoss.forward

    def forward(self: Any, output: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        with torch.autocast(output.device.type, enabled=False):
            return original(self, _widened(output), *args, **kwargs)

    module.BCELoss.forward = forward


def _widened(value: Any) -> Any:
    return value.float() if isinstance(value, torch.Tensor) and value.dtype in _HALVES else value


def _replace(original: Any, new: Any) -> None:
    """Wherever a module of MMPose has it: some may have been imported before this package."""
    attribute = original.__name__
    for name, module in list(sys.modules.items()):
        if name.startswith('mmpose.') and vars(module).get(attribute) is original:
            setattr(module, attribute, new)

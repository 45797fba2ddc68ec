"""Faster forms of a trained model, and other runtimes than PyTorch."""
from .base import Joints, PoseRuntime
from .export import export_onnx
from .fuse import fuse
from .metadata import PoseMetadata
from .precision import PRECISIONS
from .quantize import quantize
from .runtimes import check_torch_device, default_device, load_runtime

__all__ = [
    'PRECISIONS', 'Joints', 'PoseMetadata', 'PoseRuntime', 'check_torch_device', 'default_device', 'export_onnx', 'fuse',
    'load_runtime', 'quantize'
]

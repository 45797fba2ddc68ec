"""Faster forms of a trained model, and other runtimes than PyTorch."""
from .export import export_onnx
from .fuse import fuse
from .metadata import PoseMetadata
from .quantize import quantize
from .runtimes import Joints, PoseRuntime, load_runtime

__all__ = ['Joints', 'PoseMetadata', 'PoseRuntime', 'export_onnx', 'fuse', 'load_runtime', 'quantize']

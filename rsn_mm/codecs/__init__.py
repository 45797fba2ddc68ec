"""Joints to heatmaps and back."""
from .gaussian_targets import DeviceTargets, DrawnTargets, GaussianTargets
from .quarter_offset_heatmap import QuarterOffsetHeatmap

__all__ = ['DeviceTargets', 'DrawnTargets', 'GaussianTargets', 'QuarterOffsetHeatmap']

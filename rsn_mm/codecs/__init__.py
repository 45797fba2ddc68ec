"""Joints to heatmaps and back."""
from .quarter_offset_heatmap import QuarterOffsetHeatmap

__all__ = ['QuarterOffsetHeatmap']

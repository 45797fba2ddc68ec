"""MMPose's data sets with checks of what they are given, and the order and batches in which persons are loaded."""
from .checked import CocoDataset, CocoWholeBodyDataset, CrowdPoseDataset, MpiiDataset
from .collate import stack_inputs
from .photo_window import PhotoWindowSampler
from .unreadable import BatchWithGaps, skip_unreadable

__all__ = [
    'BatchWithGaps', 'CocoDataset', 'CocoWholeBodyDataset', 'CrowdPoseDataset', 'MpiiDataset', 'PhotoWindowSampler',
    'skip_unreadable', 'stack_inputs'
]

"""MMPose's data sets with checks of what they are given."""
from .checked import CocoDataset, CrowdPoseDataset, MpiiDataset

__all__ = ['CocoDataset', 'CrowdPoseDataset', 'MpiiDataset']

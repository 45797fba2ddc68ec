"""RSN-18 on CrowdPose, 14 joints."""
_base_ = '_base_/crowdpose_256x192.py'

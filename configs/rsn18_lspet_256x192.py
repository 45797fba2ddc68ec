"""RSN-18 on Leeds Sports Pose Extended, 14 joints."""
_base_ = '_base_/lspet_256x192.py'

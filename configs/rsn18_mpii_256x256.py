"""RSN-18 on MPII."""
_base_ = '_base_/mpii_256x256.py'

"""RSN-18 on Leeds Sports Pose and its extension, 14 joints."""
_base_ = '_base_/lsp_256x192.py'

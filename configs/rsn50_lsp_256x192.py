"""RSN-50 on Leeds Sports Pose and its extension."""
_base_ = 'rsn18_lsp_256x192.py'

model = dict(backbone=dict(depth=50))

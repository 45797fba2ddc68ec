"""RSN-50 on Leeds Sports Pose Extended."""
_base_ = 'rsn18_lspet_256x192.py'

model = dict(backbone=dict(depth=50))

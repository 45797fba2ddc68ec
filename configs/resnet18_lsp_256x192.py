"""ResNet-18 in the body of RSN on Leeds Sports Pose and its extension."""
_base_ = 'rsn18_lsp_256x192.py'

model = dict(backbone=dict(block='resnet'))

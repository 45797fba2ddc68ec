"""ResNet-18 in the body of RSN on Leeds Sports Pose Extended."""
_base_ = 'rsn18_lspet_256x192.py'

model = dict(backbone=dict(block='resnet'))

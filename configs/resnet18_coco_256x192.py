"""ResNet-18 in the body of RSN, paper Table 3: 70.7 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(block='resnet'))

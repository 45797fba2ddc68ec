"""ResNet-101 in the body of RSN, paper Table 3: 73.2 AP on COCO val2017."""
_base_ = 'resnet50_coco_256x192.py'

model = dict(backbone=dict(depth=101))

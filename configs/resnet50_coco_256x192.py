"""ResNet-50 in the body of RSN (MSPN), paper Table 3: 72.2 AP on COCO val2017."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(block='resnet', expansion=4))

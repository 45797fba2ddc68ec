"""ResNet-18 with PRM, paper Table 5: 72.2 AP on COCO val2017."""
_base_ = 'resnet18_coco_256x192.py'

model = dict(head=dict(prm='features'))

"""ResNet-50 with PRM, paper Table 5: 73.4 AP on COCO val2017."""
_base_ = 'resnet50_coco_256x192.py'

model = dict(head=dict(prm='features'))

"""4xResNet-50 with PRM, paper Table 5: 77.2 AP on COCO val2017."""
_base_ = '4xresnet50_coco_256x192.py'

model = dict(head=dict(prm='features'))

"""4xResNet-50 (4-stage MSPN) at 384x288, paper Table 3: 77.5 AP on COCO val2017."""
_base_ = '4xrsn50_coco_384x288.py'

model = dict(backbone=dict(block='resnet', expansion=4))

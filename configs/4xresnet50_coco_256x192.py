"""4xResNet-50 (4-stage MSPN), paper Table 3: 76.8 AP on COCO val2017."""
_base_ = 'resnet50_coco_256x192.py'

model = dict(backbone=dict(num_stages=4), head=dict(num_stages=4))

"""RSN-50, paper Table 3: 74.7 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(depth=50))

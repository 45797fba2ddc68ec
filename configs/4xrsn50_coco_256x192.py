"""4xRSN-50, paper Table 3: 78.6 AP on COCO val2017."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(num_stages=4), head=dict(num_stages=4))

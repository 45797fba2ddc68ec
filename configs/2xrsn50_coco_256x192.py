"""2xRSN-50, paper Table 6: 75.5 AP on COCO test-dev."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(num_stages=2), head=dict(num_stages=2))

"""3xRSN-50, between the 2x and 4x rows of paper Table 6."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(num_stages=3), head=dict(num_stages=3))

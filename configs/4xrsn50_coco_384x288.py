"""4xRSN-50 at 384x288, paper Table 3: 79.2 AP on COCO val2017."""
_base_ = '_base_/coco_384x288.py'

model = dict(backbone=dict(depth=50, num_stages=4), head=dict(num_stages=4))

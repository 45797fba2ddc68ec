"""RSN-50 with 3 branches at the capacity of four, paper Table 4: 74.2 AP on COCO val2017."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(num_branches=3, match_capacity=True))

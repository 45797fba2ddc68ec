"""RSN-18 with 2 branches at the capacity of four, paper Table 4: 73.1 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(num_branches=2, match_capacity=True))

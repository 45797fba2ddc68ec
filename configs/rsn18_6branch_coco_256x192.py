"""RSN-18 with 6 branches at the capacity of four, paper Table 4: 72.9 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(num_branches=6, match_capacity=True))

"""RSN-18 with 5 branches at the capacity of four, paper Table 4: 73.2 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(num_branches=5, match_capacity=True))

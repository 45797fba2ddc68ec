"""4xRSN-50 with PRM, paper Table 5: 79.0 AP on COCO val2017."""
_base_ = '4xrsn50_coco_256x192.py'

model = dict(head=dict(prm='features'))

"""4xRSN-50 with PRM at 384x288, paper Table 6: 78.6 AP on COCO test-dev."""
_base_ = '4xrsn50_coco_384x288.py'

model = dict(head=dict(prm='features'))

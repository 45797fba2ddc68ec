"""4xRSN-50, wide (expansion 4): the cost of paper Table 3, 78.6 AP on COCO val2017."""
_base_ = '4xrsn50_coco_256x192.py'

model = dict(backbone=dict(expansion=4))

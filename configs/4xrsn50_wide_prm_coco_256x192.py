"""4xRSN-50, wide (expansion 4), with PRM: the cost of paper Table 5, 79.0 AP on COCO val2017."""
_base_ = '4xrsn50_prm_coco_256x192.py'

model = dict(backbone=dict(expansion=4))

"""2xRSN-50, wide (expansion 4): the cost of paper Table 6, 75.5 AP on COCO test-dev."""
_base_ = '2xrsn50_coco_256x192.py'

model = dict(backbone=dict(expansion=4))

"""RSN-50, wide (expansion 4): the cost of paper Table 3, 74.7 AP on COCO val2017."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(expansion=4))

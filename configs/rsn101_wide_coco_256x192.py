"""RSN-101, wide (expansion 4): the cost of paper Table 3, 75.8 AP on COCO val2017."""
_base_ = 'rsn101_coco_256x192.py'

model = dict(backbone=dict(expansion=4))

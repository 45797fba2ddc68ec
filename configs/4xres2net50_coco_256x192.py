"""4xRes2Net-50, paper Table 3: 77.0 AP on COCO val2017."""
_base_ = 'res2net50_coco_256x192.py'

model = dict(backbone=dict(num_stages=4), head=dict(num_stages=4))

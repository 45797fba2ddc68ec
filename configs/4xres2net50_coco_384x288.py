"""4xRes2Net-50 at 384x288, paper Table 3: 77.6 AP on COCO val2017."""
_base_ = '4xrsn50_coco_384x288.py'

model = dict(backbone=dict(block='res2net', expansion=4))

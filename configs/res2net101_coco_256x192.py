"""Res2Net-101 in the body of RSN, paper Table 3: 73.9 AP on COCO val2017."""
_base_ = 'res2net50_coco_256x192.py'

model = dict(backbone=dict(depth=101))

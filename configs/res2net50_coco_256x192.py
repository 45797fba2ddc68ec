"""Res2Net-50 in the body of RSN, paper Table 3: 72.8 AP on COCO val2017."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(block='res2net', expansion=4))

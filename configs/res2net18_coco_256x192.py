"""Res2Net-18 in the body of RSN, paper Table 3: 71.3 AP on COCO val2017."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(block='res2net'))

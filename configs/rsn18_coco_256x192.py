"""RSN-18, paper Table 3: 73.6 AP on COCO val2017."""
_base_ = '_base_/coco_256x192.py'

"""RSN-18 on COCO-WholeBody, 133 joints."""
_base_ = '_base_/coco-wholebody_256x192.py'

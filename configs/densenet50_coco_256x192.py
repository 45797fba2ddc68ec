"""Dense units at the capacity of RSN-50, for the curve of DenseNet in paper Figure 4."""
_base_ = 'rsn50_coco_256x192.py'

model = dict(backbone=dict(block='densenet'))

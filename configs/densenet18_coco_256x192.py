"""Dense units at the capacity of RSN-18, for the curve of DenseNet in paper Figure 4."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(backbone=dict(block='densenet'))

"""4xRSN-50, wide (expansion 4), at 384x288: the cost of paper Table 3, 79.2 AP on COCO val2017."""
_base_ = '4xrsn50_coco_384x288.py'

# A step on 48 images takes 78887 MiB without (docs/ablations.md): too near to 80 GB.
model = dict(backbone=dict(expansion=4, with_cp=True))

"""4xRSN-50, wide (expansion 4), at 384x288: the cost of paper Table 3, 79.2 AP on COCO val2017."""
_base_ = '4xrsn50_coco_384x288.py'

# Without checkpointing a step on 48 images holds 2.25 times the activations of 256x192 (docs/ablations.md): no room in 80 GB.
model = dict(backbone=dict(expansion=4, with_cp=True))

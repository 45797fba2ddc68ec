"""4xRSN-50, wide (expansion 4), on MPII: paper Table 8, 93.0 PCKh@0.5 on the test set."""
_base_ = '4xrsn50_mpii_256x256.py'

model = dict(backbone=dict(expansion=4))

"""4xRSN-50 on MPII, paper Table 8: 93.0 PCKh@0.5 on the test set."""
_base_ = 'rsn18_mpii_256x256.py'

model = dict(backbone=dict(depth=50, num_stages=4), head=dict(num_stages=4))

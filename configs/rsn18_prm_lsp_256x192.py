"""RSN-18 with PRM on Leeds Sports Pose and its extension."""
_base_ = 'rsn18_lsp_256x192.py'

model = dict(head=dict(prm='features'))

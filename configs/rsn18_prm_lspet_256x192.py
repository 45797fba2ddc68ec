"""RSN-18 with PRM on Leeds Sports Pose Extended."""
_base_ = 'rsn18_lspet_256x192.py'

model = dict(head=dict(prm='features'))

"""RSN-18 with DARK: unbiased Gaussians as targets and a Taylor step on the blurred heatmap to decode, crops as before.

UDP and DARK together are ``rsn18_udp_coco_256x192.py``: MMPose's ``UDPHeatmap`` decodes by DARK.
"""
_base_ = 'rsn18_coco_256x192.py'

codec = dict(type='MSRAHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2, unbiased=True)

model = dict(head=dict(encoder=None, decoder=dict(_delete_=True, **codec)))

train_pipeline = [
    *_base_.train_pipeline[:-2],  # to the crop
    dict(type='GenerateTarget', encoder=codec),
    dict(type='rsn_mm.LoadVisibility'),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

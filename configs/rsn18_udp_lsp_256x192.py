"""RSN-18 with unbiased data processing on Leeds Sports Pose and its extension."""
_base_ = 'rsn18_lsp_256x192.py'

codec = dict(type='UDPHeatmap', input_size=(192, 256), heatmap_size=(48, 64), sigma=2)

model = dict(head=dict(encoder=None, decoder=dict(_delete_=True, **codec)))

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='rsn_mm.RandomPictureEdge', prob=0.25),
    dict(type='RandomBBoxTransform', shift_prob=0.3, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
val_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=16),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='TopdownAffine', input_size=codec['input_size'], use_udp=True),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))

"""RSN-18 on Leeds Sports Pose and its extension at half the size, for CPUs. Its weights are part of the package."""
_base_ = 'rsn18_lsp_256x192.py'

input_size = (96, 128)
heatmap_size = (24, 32)

# Half of the Gaussians of 256x192.
codecs = [
    dict(
        type='rsn_mm.QuarterOffsetHeatmap',
        input_size=input_size,
        heatmap_size=heatmap_size,
        kernel_size=kernel_size,
        blur_kernel_size=3) for kernel_size in (9, 7, 5, 5, 3)
]

model = dict(head=dict(encoder=codecs, decoder=codecs[-1]))

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='rsn_mm.RandomPictureEdge', prob=0.25),
    dict(type='RandomBBoxTransform', shift_prob=0.3, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs', pack_transformed=True),
]
val_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=16),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=val_pipeline))
test_dataloader = dict(dataset=dict(pipeline=val_pipeline))

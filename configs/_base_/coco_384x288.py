"""COCO keypoints at 384x288 (height x width; sizes below are (width, height)).

The Gaussians of the targets grow with the size: 1.5 times those of 256x192, to the nearest odd number.
"""
_base_ = 'coco_256x192.py'

input_size = (288, 384)
heatmap_size = (72, 96)

codecs = [
    dict(
        type='rsn_mm.QuarterOffsetHeatmap',
        input_size=input_size,
        heatmap_size=heatmap_size,
        kernel_size=kernel_size,
        blur_kernel_size=5) for kernel_size in (23, 17, 13, 11, 7)
]

model = dict(head=dict(encoder=codecs, decoder=codecs[-1]))

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='rsn_mm.LoadVisibility'),
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
test_dataloader = val_dataloader

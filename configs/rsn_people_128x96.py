"""A small RSN on drawn people, for ``make demo``: learns in minutes on two CPU cores."""
_base_ = 'rsn18_coco_256x192.py'

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

model = dict(
    backbone=dict(num_blocks=[1, 1, 1, 1], stem_channels=32, unit_channels=64),
    head=dict(in_channels=64, encoder=codecs, decoder=codecs[-1]))

train_cfg = dict(max_epochs=24, val_interval=24)
optim_wrapper = dict(optimizer=dict(lr=1e-2))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=60, start_factor=0.1, by_epoch=False),
    dict(type='LinearLR', begin=0, end=24, start_factor=1.0, end_factor=0.0, by_epoch=True, convert_to_iter_based=True),
]
randomness = dict(seed=0)

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.8, 1.25), rotate_factor=30.0, rotate_prob=0.5),
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

# The environment variable PEOPLE_ROOT names another place than where `make demo` puts the pictures.
data_root = '{{$PEOPLE_ROOT:work_dirs/demo/people/}}'
train_dataloader = dict(
    batch_size=32,
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/person_keypoints_train.json',
        data_prefix=dict(img='train/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=1,
    dataset=dict(
        data_root=data_root,
        ann_file='annotations/person_keypoints_val.json',
        bbox_file=None,
        data_prefix=dict(img='val/'),
        pipeline=val_pipeline))
test_dataloader = val_dataloader

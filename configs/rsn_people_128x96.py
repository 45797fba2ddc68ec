"""A small RSN on drawn people, for ``make demo``: learns in minutes on two CPU cores."""
_base_ = 'rsn18_coco_256x192.py'
from rsn_mm.input_size import set_input_size  # above _base_ it would make a lazy config for MMEngine

# Crops, codecs and head, with half of the Gaussians of 256x192.
set_input_size(_base_, (96, 128), kernel_size=(9, 7, 5, 5, 3), blur_kernel_size=3)

model = dict(
    backbone=dict(num_blocks=[1, 1, 1, 1], stem_channels=32, unit_channels=64),
    head=dict(in_channels=64))

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
    dict(type='TopdownAffine', input_size={{_base_.input_size}}),
    dict(type='rsn_mm.LoadVisibility'),
    dict(type='PackPoseInputs', pack_transformed=True),
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
        data_prefix=dict(img='val/')))
test_dataloader = val_dataloader

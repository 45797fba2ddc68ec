"""MPII at 256x256, 16 joints."""
_base_ = 'rsn.py'

input_size = (256, 256)
heatmap_size = (64, 64)

# Coarse to fine: unit u of a stage takes Gaussian u, of the last stage u + 1. Predictions are blurred by 9.
codecs = [
    dict(
        type='rsn_mm.QuarterOffsetHeatmap',
        input_size=input_size,
        heatmap_size=heatmap_size,
        kernel_size=kernel_size,
        blur_kernel_size=9) for kernel_size in (15, 11, 9, 7, 5)
]

# The head draws the targets on its device, from joints that come with the image. For other codecs take encoder=None and put
# dict(type='GenerateTarget', multilevel=True, encoder=codecs) behind TopdownAffine.
model = dict(head=dict(out_channels=16, encoder=codecs, decoder=codecs[-1]))

# Boxes of 200 px x scale grow by a quarter (the authors, for training and test).
box_extension = 1.25

train_pipeline = [
    dict(type='rsn_mm.LoadImage'),
    dict(type='GetBBoxCenterScale', padding=box_extension),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs', pack_transformed=True),
]
val_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=16),
    dict(type='GetBBoxCenterScale', padding=box_extension),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='PackPoseInputs'),
]

# MMPoseInferencer reads these two names; by the stock class it knows which detector suits.
data_mode = 'topdown'
dataset_type = 'MpiiDataset'

# The environment variable MPII_ROOT names another place than ./data/mpii/.
data_root = '{{$MPII_ROOT:data/mpii/}}'

train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='rsn_mm.datasets.stack_inputs'),
    dataset=dict(
        type='rsn_mm.MpiiDataset',
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/mpii_train.json',
        data_prefix=dict(img='images/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='rsn_mm.MpiiDataset',
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/mpii_val.json',
        headbox_file=data_root + '/annotations/mpii_gt_val.mat',
        data_prefix=dict(img='images/'),
        test_mode=True,
        pipeline=val_pipeline))
test_dataloader = val_dataloader

val_evaluator = dict(type='MpiiPCKAccuracy')
test_evaluator = val_evaluator

default_hooks = dict(checkpoint=dict(save_best='PCK', rule='greater'))

# 2,400 iterations are 42 epochs of MPII's 58.
param_scheduler = [
    dict(type='LinearLR', begin=0, end=2400, start_factor=0.1, by_epoch=False),
    dict(type='LinearLR', begin=42, end=200, start_factor=1.0, end_factor=0.0, by_epoch=True, convert_to_iter_based=True),
]

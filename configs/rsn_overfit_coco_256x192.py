"""Sanity check: a small RSN must learn a handful of COCO's people by heart. Training data, crops and boxes are also the
test's, and nothing is augmented: an AP well below 1 means that something between annotation and metric is wrong."""
_base_ = 'rsn18_coco_256x192.py'

model = dict(
    backbone=dict(num_blocks=[1, 1, 1, 1], stem_channels=32, unit_channels=64),
    head=dict(in_channels=64),
    test_cfg=dict(flip_test=False))

train_cfg = dict(max_epochs=150, val_interval=50)
optim_wrapper = dict(optimizer=dict(lr=2e-3))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=50, start_factor=0.1, by_epoch=False),
    dict(type='LinearLR', begin=0, end=150, start_factor=1.0, end_factor=0.0, by_epoch=True, convert_to_iter_based=True),
]

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='TopdownAffine', input_size={{_base_.input_size}}),
    # No LoadVisibility: occluded joints count in the metric, so they are learned like visible ones.
    dict(type='PackPoseInputs', pack_transformed=True),
]
train_dataloader = dict(batch_size=8, num_workers=1, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    num_workers=1,
    dataset=dict(
        ann_file='annotations/person_keypoints_train2017.json', bbox_file=None, data_prefix=dict(img='train2017/')))
test_dataloader = val_dataloader

"""SimCC on RSN's way down: joints as two classifications, x and y, instead of heatmaps."""
_base_ = 'rsn18_coco_256x192.py'

codec = dict(type='SimCCLabel', input_size=(192, 256), sigma=6.0, simcc_split_ratio=2.0)

model = dict(
    backbone=dict(_delete_=True, type='rsn_mm.RSNEncoder', depth=50),
    head=dict(
        _delete_=True,
        type='SimCCHead',
        in_channels=512,
        out_channels=17,
        input_size=codec['input_size'],
        in_featuremap_size=(6, 8),  # (width, height), 1/32 of the input
        simcc_split_ratio=codec['simcc_split_ratio'],
        loss=dict(type='KLDiscretLoss', use_target_weight=True),
        decoder=codec),
    test_cfg=dict(_delete_=True, flip_test=True))

train_pipeline = [
    *_base_.train_pipeline[:-2],  # to the crop
    dict(type='GenerateTarget', encoder=codec),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

"""MMPose's own RSN-18, head, loss and codec on Leeds Sports Pose and its extension: crops and training are those of ours."""
_base_ = 'rsn18_lsp_256x192.py'

# MMPose's settings of td-hm_rsn18_8xb32-210e_coco-256x192.py: one Gaussian for each of the four units.
codecs = [
    dict(type='mmpose.MegviiHeatmap', input_size=(192, 256), heatmap_size=(48, 64), kernel_size=kernel_size)
    for kernel_size in (15, 11, 9, 7)
]

model = dict(
    backbone=dict(
        _delete_=True, type='mmpose.RSN', unit_channels=256, num_stages=1, num_units=4, num_blocks=[2, 2, 2, 2], num_steps=4,
        norm_cfg=dict(type='BN')),
    head=dict(
        _delete_=True,
        type='mmpose.MSPNHead',
        out_shape=(64, 48),
        unit_channels=256,
        out_channels=14,
        num_stages=1,
        num_units=4,
        norm_cfg=dict(type='BN'),
        level_indices=[0, 1, 2, 3],
        loss=[dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=0.25)] * 3 +
        [dict(type='KeypointOHKMMSELoss', use_target_weight=True, loss_weight=1.)],
        decoder=codecs[-1]))

train_pipeline = [
    *_base_.train_pipeline[:-1],  # to the crop
    dict(type='GenerateTarget', multilevel=True, encoder=codecs),
    dict(type='PackPoseInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))

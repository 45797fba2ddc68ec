"""RSN-18 with every training detail of the authors' released code, where it differs from the paper's recipe.

Their PyTorch run of it has 70.4 AP on COCO val2017. Boxes, half bodies, scales and angles are drawn as they do, the images
are BGR, a GPU takes 32 of them, and training lasts 96,000 iterations at a learning rate of 5e-4 times the number of GPUs.
"""
_base_ = 'rsn18_coco_256x192.py'

model = dict(
    data_preprocessor=dict(mean=[103.53, 116.28, 123.675], std=[57.375, 57.12, 58.395], bgr_to_rgb=False))

train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding=1.05),
    dict(type='rsn_mm.RandomBoxExtension', max_extension=(0.6, 0.8)),
    dict(type='RandomFlip', direction='horizontal'),
    # Joints 0 to 12, down to the hips, are the upper half; the others the lower.
    dict(
        type='rsn_mm.RandomHalfBodyBox',
        prob=0.3,
        min_total_keypoints=4,
        max_extension=(0.6, 0.8),
        upper_body_ids=tuple(range(13))),
    # 0.8 x U(0.75, 1.25).
    dict(type='rsn_mm.UniformBBoxTransform', scale_factor=(0.6, 1.0), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size={{_base_.input_size}}),
    dict(type='rsn_mm.LoadVisibility'),
    dict(type='PackPoseInputs', pack_transformed=True),
]
train_dataloader = dict(batch_size=32, dataset=dict(pipeline=train_pipeline))

train_cfg = dict(_delete_=True, by_epoch=False, max_iters=96000, val_interval=9600)
# MMEngine multiplies the rate by (GPUs x batch size) / base_batch_size: by the number of GPUs.
auto_scale_lr = dict(enable=True, base_batch_size=32)
param_scheduler = [
    dict(type='LinearLR', begin=0, end=2400, start_factor=0.1, by_epoch=False),
    dict(type='LinearLR', begin=2400, end=96000, start_factor=1.0, end_factor=0.0, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=2400))
log_processor = dict(by_epoch=False)

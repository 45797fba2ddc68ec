"""COCO-WholeBody at 256x192: 133 joints of body, feet, face and hands on COCO's photos."""
_base_ = 'coco_256x192.py'

# Many faces and hands are not labelled though one sees them: they are left out of the loss, not taught as absent. The
# hardest 63 of 133 joints are the share that 8 of 17 are.
model = dict(
    head=dict(
        out_channels=133,
        visibility_rule='mmpose',
        loss=[dict(type='KeypointMSELoss', use_target_weight=True, loss_weight=0.25)] * 3 +
        [dict(type='KeypointOHKMMSELoss', use_target_weight=True, topk=63)]))

# No LoadVisibility: flags of whole bodies stand in five lists, and this rule does not ask who is occluded.
train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size={{_base_.input_size}}),
    dict(type='PackPoseInputs', pack_transformed=True),
]

dataset_type = 'CocoWholeBodyDataset'
train_dataloader = dict(
    dataset=dict(
        type='rsn_mm.CocoWholeBodyDataset', ann_file='annotations/coco_wholebody_train_v1.0.json', pipeline=train_pipeline))
val_dataloader = dict(
    dataset=dict(type='rsn_mm.CocoWholeBodyDataset', ann_file='annotations/coco_wholebody_val_v1.0.json'))
test_dataloader = val_dataloader

val_evaluator = dict(type='CocoWholeBodyMetric')
test_evaluator = val_evaluator

default_hooks = dict(checkpoint=dict(save_best='coco-wholebody/AP'))

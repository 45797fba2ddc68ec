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
train_pipeline = [step for step in _base_.train_pipeline if step.type != 'rsn_mm.LoadVisibility']

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

"""COCO keypoints at 256x192 (height x width; sizes below are (width, height))."""
_base_ = 'rsn.py'

# A config that inherits this has another size by set_input_size, see coco_384x288.py.
input_size = (192, 256)
heatmap_size = (48, 64)

# Coarse to fine: unit u of a stage takes Gaussian u, of the last stage u + 1. Predictions are blurred by 5.
codecs = [
    dict(
        type='rsn_mm.QuarterOffsetHeatmap',
        input_size=input_size,
        heatmap_size=heatmap_size,
        kernel_size=kernel_size,
        blur_kernel_size=5) for kernel_size in (15, 11, 9, 7, 5)
]

# The head draws the targets on its device, from joints that come with the image. For other codecs take encoder=None and put
# dict(type='GenerateTarget', multilevel=True, encoder=codecs) behind TopdownAffine.
model = dict(head=dict(out_channels=17, encoder=codecs, decoder=codecs[-1]))

# Boxes grow by 9 % in width and 13.5 % in height before the aspect ratio is filled (the authors' test rule; their
# training boxes are that large on average).
box_extension = (1.09, 1.135)

# Photos that a worker keeps serve all their persons: in training those of a window of the sampler.
train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding=box_extension),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='RandomBBoxTransform', shift_prob=0.0, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size=input_size),
    dict(type='rsn_mm.LoadVisibility'),
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
dataset_type = 'CocoDataset'

# The environment variable COCO_ROOT names another place than ./data/coco/.
data_root = '{{$COCO_ROOT:data/coco/}}'

train_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    # Without regard to photos: sampler=dict(_delete_=True, type='DefaultSampler', shuffle=True)
    sampler=dict(type='rsn_mm.PhotoWindowSampler'),
    collate_fn=dict(type='rsn_mm.datasets.stack_inputs'),
    dataset=dict(
        type='rsn_mm.CocoDataset',
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_train2017.json',
        data_prefix=dict(img='train2017/'),
        pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=48,
    num_workers=4,
    persistent_workers=True,
    pin_memory=True,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
    dataset=dict(
        type='rsn_mm.CocoDataset',
        data_root=data_root,
        data_mode=data_mode,
        ann_file='annotations/person_keypoints_val2017.json',
        # Person detections with 56.4 AP, the ones everybody compares with; None takes the annotated boxes.
        bbox_file=data_root + '/person_detection_results/COCO_val2017_detections_AP_H_56_person.json',
        data_prefix=dict(img='val2017/'),
        test_mode=True,
        pipeline=val_pipeline))
test_dataloader = val_dataloader

# Pose score = mean joint score x box score (section 4.1). The annotation file is that of the data set.
val_evaluator = dict(type='CocoMetric', score_mode='bbox_keypoint', nms_mode='none')
test_evaluator = val_evaluator

default_hooks = dict(checkpoint=dict(save_best='coco/AP', rule='greater'))

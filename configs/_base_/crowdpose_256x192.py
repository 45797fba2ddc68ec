"""CrowdPose at 256x192: 14 joints in crowded photos."""
_base_ = 'coco_256x192.py'

model = dict(head=dict(out_channels=14))

dataset_type = 'CrowdPoseDataset'

# The environment variable CROWDPOSE_ROOT names another place than ./data/crowdpose/.
data_root = '{{$CROWDPOSE_ROOT:data/crowdpose/}}'

train_dataloader = dict(
    dataset=dict(
        type='rsn_mm.CrowdPoseDataset',
        data_root=data_root,
        ann_file='annotations/mmpose_crowdpose_trainval.json',
        data_prefix=dict(img='images/')))
val_dataloader = dict(
    dataset=dict(
        type='rsn_mm.CrowdPoseDataset',
        data_root=data_root,
        ann_file='annotations/mmpose_crowdpose_test.json',
        bbox_file=data_root + '/annotations/det_for_crowd_test_0.1_0.5.json',
        data_prefix=dict(img='images/')))
test_dataloader = val_dataloader

# CrowdPose has no areas, reports AP by how crowded a photo is, and its detections overlap: OKS-NMS as in MMPose.
val_evaluator = dict(use_area=False, iou_type='keypoints_crowd', prefix='crowdpose', nms_mode='oks_nms')
test_evaluator = val_evaluator

default_hooks = dict(checkpoint=dict(save_best='crowdpose/AP'))

# CrowdPose is a fraction of COCO: the warm-up is shorter, and the fall begins with it.
param_scheduler = [
    dict(type='LinearLR', begin=0, end=500, start_factor=0.1, by_epoch=False),
    dict(type='LinearLR', begin=0, end=200, start_factor=1.0, end_factor=0.0, by_epoch=True, convert_to_iter_based=True),
]

"""Leeds Sports Pose and its extension at 256x192: 1,000 people with clean labels and 8,491 with noisy ones, 14 joints.

``tools/make_lsp.py`` writes both data sets in this layout from their own downloads.
"""
_base_ = 'lspet_256x192.py'

# The environment variable LSP_ROOT names another place than ./data/lsp/: lsp_train.json, lsp_test.json and images/.
lsp_root = '{{$LSP_ROOT:data/lsp/}}'

# Joints that are labelled although they are hidden count in the metric, so all units learn them; in LSPET a joint without a
# label is often in the picture.
model = dict(head=dict(visibility_rule='mmpose'))

# Photos of strangers end at the waist more often than not.
train_pipeline = [
    dict(type='rsn_mm.LoadImage', cache_mb=256),
    dict(type='GetBBoxCenterScale', padding={{_base_.box_extension}}),
    dict(type='RandomFlip', direction='horizontal'),
    dict(type='RandomHalfBody', min_total_keypoints=4, prob=0.3),
    dict(type='rsn_mm.RandomPictureEdge', prob=0.25),
    dict(type='RandomBBoxTransform', shift_prob=0.3, scale_factor=(0.7, 1.35), rotate_factor=45.0, rotate_prob=0.5),
    dict(type='TopdownAffine', input_size={{_base_.input_size}}),
    dict(type='PackPoseInputs', pack_transformed=True),
]

# Clean labels are worth more: LSP's people come up four times an epoch. 100 of its 1,000 are set aside, to choose models by.
lspet = dict(
    type='rsn_mm.CrowdPoseDataset', data_root={{_base_.data_root}}, data_mode='topdown', ann_file='train.json',
    data_prefix=dict(img='images/'), pipeline=train_pipeline)
lsp = dict(lspet, data_root=lsp_root, ann_file='lsp_train.json', indices=900)
train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='ConcatDataset', datasets=[lspet, dict(type='RepeatDataset', dataset=lsp, times=4)]))

# Tests run on LSP's test people, validation on LSPET's.
test_dataloader = dict(dataset=dict(data_root=lsp_root, ann_file='lsp_test.json'))
test_evaluator = [
    dict(type='rsn_mm.TorsoPCKAccuracy', thr=0.2, prefix='lsp'),
    dict(type='PCKAccuracy', thr=0.2, norm_item='bbox', prefix='0.2'),
    dict(type='PCKAccuracy', thr=0.1, norm_item='bbox', prefix='0.1'),
    dict(type='CocoMetric', iou_type='keypoints', prefix='lsp'),
]

"""RSN-18 with one stage. Data set files add the decoder and the number of joints."""
_base_ = 'schedule_200e.py'

model = dict(
    type='TopdownPoseEstimator',
    data_preprocessor=dict(
        type='rsn_mm.PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
    backbone=dict(type='rsn_mm.RSN', depth=18, num_stages=1, norm_cfg=dict(type='BN')),
    head=dict(type='rsn_mm.MultiStageHead', num_stages=1, norm_cfg=dict(type='BN')),
    # Heatmaps of the mirrored image are averaged in without a shift (section 4.1).
    test_cfg=dict(flip_test=True, flip_mode='heatmap', shift_heatmap=False, output_heatmaps=False))

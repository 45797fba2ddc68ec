"""Runtime of every config. Naming the scope is all that a config of ours needs to find its types.

Written out rather than inherited from MMPose's file: MMEngine marks what it inherits from another package with that package's
scope, and then imports MMPose before the scope below has made that possible.
"""
default_scope = 'rsn_mm'

default_hooks = dict(
    # Losses stay on the device until a line of the log is written.
    runtime_info=dict(type='rsn_mm.RuntimeInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='rsn_mm.CheckpointHook', interval=10, max_keep_ckpts=3),
    sampler_seed=dict(type='rsn_mm.EpochSeedHook'),
    visualization=dict(type='PoseVisualizationHook', enable=False),
    # --badcase of the test script, which asks for all of these: people of whom half of the joints are further off than a fifth
    # of their box.
    badcase=dict(type='rsn_mm.BadCaseAnalysisHook', enable=False, metric_type='accuracy',
                 metric=dict(type='PCKAccuracy', thr=0.2), badcase_thr=0.5))
# Running statistics of the processes are averaged before a checkpoint is written. Training stops where a loss is no number.
# Tests run on a fused copy of the model.
custom_hooks = [dict(type='rsn_mm.SyncBuffersHook'), dict(type='rsn_mm.LossGuardHook'), dict(type='rsn_mm.FuseHook')]

# All inputs have one size: cuDNN may choose its kernels by trial.
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'))

visualizer = dict(type='PoseLocalVisualizer', vis_backends=[dict(type='LocalVisBackend')], name='visualizer')

log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=6)
log_level = 'INFO'
load_from = None
resume = False

"""RSN-18 with a newer recipe: AdamW (decay on filters alone), half a cosine after the warm-up, an average of the weights."""
_base_ = 'rsn18_coco_256x192.py'

optim_wrapper = dict(
    optimizer=dict(type='AdamW', weight_decay=0.05), paramwise_cfg=dict(norm_decay_mult=0, bias_decay_mult=0))
param_scheduler = [
    dict(type='LinearLR', begin=0, end=2400, start_factor=0.1, by_epoch=False),
    dict(type='CosineAnnealingLR', begin=6, end=200, T_max=194, eta_min=0, by_epoch=True, convert_to_iter_based=True),
]
custom_hooks = [
    dict(type='rsn_mm.SyncBuffersHook'),
    # Validation and checkpoints take the average, whose memory grows to 1 / momentum iterations (13 epochs).
    dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.0002, update_buffers=True, priority=49),
    dict(type='rsn_mm.LossGuardHook'), dict(type='rsn_mm.FuseHook'),
]

"""The paper's recipe (section 4.1): Adam, 8 GPUs x 48 images, 200 epochs, from 5e-4 linearly to 0, weight decay 1e-5."""
_base_ = 'default_runtime.py'

train_cfg = dict(by_epoch=True, max_epochs=200, val_interval=10)
# An unreadable photo is reported at the end, and costs nobody else's result.
val_cfg = dict(type='rsn_mm.ValLoop')
test_cfg = dict(type='rsn_mm.TestLoop')

# In this scope OptimWrapper is rsn_mm.OptimWrapper, and rsn_mm.AmpOptimWrapper with --amp: bfloat16, no loss scaling.
optim_wrapper = dict(optimizer=dict(type='Adam', lr=5e-4, weight_decay=1e-5))

param_scheduler = [
    # Warm-up of the released code: 2,400 iterations from 0.1x.
    dict(type='LinearLR', begin=0, end=2400, start_factor=0.1, by_epoch=False),
    # Epoch 6 of COCO's 391 iterations each is where the warm-up ends, to 54 iterations.
    dict(type='LinearLR', begin=6, end=200, start_factor=1.0, end_factor=0.0, by_epoch=True, convert_to_iter_based=True),
]

auto_scale_lr = dict(base_batch_size=8 * 48)

"""MMPose's default runtime in our scope. Naming the scope is all that a config of ours needs to find its types."""
_base_ = 'mmpose::_base_/default_runtime.py'

default_scope = 'rsn_mm'

# All inputs have one size: let cuDNN choose its kernels by trial.
env_cfg = dict(cudnn_benchmark=True)

default_hooks = dict(checkpoint=dict(interval=10, max_keep_ckpts=3))

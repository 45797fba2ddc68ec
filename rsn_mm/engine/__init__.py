"""What of ours runs in MMEngine's training loop."""
from .averaged_models import ExpMomentumEMA, ExponentialMovingAverage
from .badcase_hook import BadCaseAnalysisHook
from .checkpoint_hook import CheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .fuse_hook import FuseHook
from .loops import TestLoop, ValLoop
from .loss_guard import LossGuardHook
from .optim_constructor import DefaultOptimWrapperConstructor
from .optim_wrapper import AmpOptimWrapper, OptimWrapper
from .runtime_info import RuntimeInfoHook
from .sync_buffers_hook import SyncBuffersHook

__all__ = [
    'AmpOptimWrapper', 'BadCaseAnalysisHook', 'CheckpointHook', 'DefaultOptimWrapperConstructor', 'EpochSeedHook',
    'ExpMomentumEMA', 'ExponentialMovingAverage', 'FuseHook', 'LossGuardHook', 'OptimWrapper', 'RuntimeInfoHook',
    'SyncBuffersHook', 'TestLoop', 'ValLoop'
]

"""RSN's modules, after the paper's words for its parts."""
from .backbones import RSN, RSNEncoder
from .blocks import ResidualStepsBlock
from .data_preprocessor import PoseDataPreprocessor
from .heads import MultiStageHead
from .losses import KeypointOHKMMSELoss
from .prm import HeatmapRefineMachine, PoseRefineMachine
from .rival_blocks import DenseNetBlock, Res2NetBlock, ResNetBlock

__all__ = [
    'RSN', 'RSNEncoder', 'ResidualStepsBlock', 'ResNetBlock', 'Res2NetBlock', 'DenseNetBlock', 'MultiStageHead',
    'KeypointOHKMMSELoss', 'PoseDataPreprocessor', 'PoseRefineMachine', 'HeatmapRefineMachine'
]

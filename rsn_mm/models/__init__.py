"""RSN's modules, after the paper's words for its parts."""
from .backbones import RSN, RSNEncoder
from .blocks import ResidualStepsBlock
from .heads import MultiStageHead
from .prm import HeatmapRefineMachine, PoseRefineMachine

__all__ = ['RSN', 'RSNEncoder', 'ResidualStepsBlock', 'MultiStageHead', 'PoseRefineMachine', 'HeatmapRefineMachine']

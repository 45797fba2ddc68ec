"""A pose estimator of MMPose that joins a backbone of several stages to a head for single feature maps says so as it is built.

Otherwise such heads end in PyTorch's error of a tuple that is no tensor, in the first iteration.
"""
import functools
from typing import Any, Optional

from ._on_import import on_import

# Those of MMPose that take what MSPN and RSN give.
HEADS_OF_STAGES = ('MSPNHead', )


def missing() -> Optional[str]:
    return 'heads of MMPose do not look at what a backbone gives them'


def install() -> None:
    on_import('mmpose.models.pose_estimators.base', _adapt)


def _adapt(module: Any) -> None:
    original = module.BasePoseEstimator.__init__

    @functools.wraps(original)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        backbone, head = getattr(self, 'backbone', None), getattr(self, 'head', None)
        if getattr(backbone, 'gives_stages', False):
            refuse_others(type(backbone).__name__, getattr(self, 'neck', None), head)

    module.BasePoseEstimator.__init__ = init


def refuse_others(backbone: str, neck: Any, head: Any) -> None:
    """
    Raises:
        ValueError: if ``neck`` or ``head`` is one of MMPose's or MMDetection's own for single feature maps. Those of others
            may do what they like.
    """
    if neck is not None:
        if type(neck).__module__.startswith(('mmpose.models.necks', 'mmdet.models.necks')):
            raise ValueError(f'neck={type(neck).__name__}: the backbone {backbone} gives stages of several units, this neck '
                             'takes feature maps. Give rsn_mm.RSNEncoder, which stands where ResNet does, as the backbone, or '
                             'no neck.')
        return
    kinds = {cls.__name__ for cls in type(head).__mro__}
    if type(head).__module__.startswith('mmpose.models.heads') and kinds.isdisjoint(HEADS_OF_STAGES):
        raise ValueError(f'head={type(head).__name__}: the backbone {backbone} gives stages of several units, and this head '
                         'takes single feature maps. Give MultiStageHead or MSPNHead as the head, or rsn_mm.RSNEncoder, which '
                         'stands where ResNet does, as the backbone.')

"""MMPose's head in bfloat16: a config of a comparison imports it by ``custom_imports``."""
from typing import List, Sequence

from mmpose.models.heads import MSPNHead
from mmpose.registry import MODELS
from torch import Tensor


@MODELS.register_module()
class HalfPrecisionMSPNHead(MSPNHead):
    """MMPose's head, whose heatmaps are float32 under autocast: its loss converts them to NumPy, which has no bfloat16."""

    def forward(self, feats: Sequence[Sequence[Tensor]]) -> List[Tensor]:
        """As MMPose's: a list of (B, K, H, W), float32."""
        return [heatmaps.float() for heatmaps in super().forward(feats)]

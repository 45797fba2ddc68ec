"""Targets of all levels of a person in one pass."""
from typing import Any, Dict, Optional, Sequence

import numpy as np
from mmpose.codecs.base import BaseKeypointCodec
from mmpose.datasets.transforms import GenerateTarget as MMPoseGenerateTarget

from ..codecs import GaussianTargets, QuarterOffsetHeatmap
from ..registry import TRANSFORMS


@TRANSFORMS.register_module()
class GenerateTarget(MMPoseGenerateTarget):
    """MMPose's ``GenerateTarget``, several times faster for the levels of ``QuarterOffsetHeatmap``: they share one pass.

    With other codecs, or one alone, it is MMPose's. Arguments, keys and values are the same in any case.
    """
    encoder: Any  # a codec, or a list of them

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.multilevel and _differ_in_kernel_alone(self.encoder):
            self.encoder = _Levels(self.encoder)


class _Levels(BaseKeypointCodec):
    """Levels of one size as one codec, whose items are lists with an entry a level."""

    label_mapping_table = QuarterOffsetHeatmap.label_mapping_table
    field_mapping_table = QuarterOffsetHeatmap.field_mapping_table

    def __init__(self, codecs: Sequence[QuarterOffsetHeatmap]) -> None:
        super().__init__()
        self._targets = GaussianTargets(codecs[0].input_size, codecs[0].heatmap_size,
                                        [codec.kernel_size for codec in codecs])

    def encode(self, keypoints: np.ndarray, keypoints_visible: Optional[np.ndarray] = None) -> Dict[str, list]:
        heatmaps, weights = self._targets.draw(keypoints, keypoints_visible)
        return dict(heatmaps=list(heatmaps), keypoint_weights=[weights] * len(heatmaps))

    def decode(self, encoded: np.ndarray) -> None:
        raise NotImplementedError('Levels are targets; maps are decoded by the decoder of the head.')


def _differ_in_kernel_alone(codecs: Sequence[Any]) -> bool:
    return all(isinstance(codec, QuarterOffsetHeatmap) for codec in codecs) and len(
        {(codec.input_size, codec.heatmap_size) for codec in codecs}) == 1

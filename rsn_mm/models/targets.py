"""Where the targets of a batch come from: drawn on the device from joints, or packed by the data pipeline."""
from typing import List, Optional, Sequence

import numpy as np
import torch
from mmpose.utils.typing import OptSampleList
from torch import Tensor

from ..codecs import DeviceTargets, GaussianTargets, QuarterOffsetHeatmap
from ..registry import KEYPOINT_CODECS
from .batches import send


class PackedTargets:
    """Targets that a data pipeline with ``GenerateTarget`` has made.

    Attributes:
        num_levels (int): Levels of supervision.
        weights (Tensor): (B, K), 0 for joints that are not labelled or outside.
    """

    def __init__(self, samples: OptSampleList) -> None:
        heatmaps = [sample.gt_fields.heatmaps for sample in samples]
        levels = [heatmaps] if isinstance(heatmaps[0], Tensor) else zip(*heatmaps)
        self._levels = [torch.stack(list(level)) for level in levels]
        self.num_levels = len(self._levels)
        # Levels of one sample have the same weights: whether a joint is labelled and inside.
        weights = [sample.gt_instance_labels.keypoint_weights for sample in samples]
        self.weights = torch.cat([weight.reshape(-1, *weight.shape[-2:])[0] for weight in weights])

    def level(self, index: int, keep: Optional[Tensor] = None) -> Tensor:
        """Maps (B, K, H, W) of a level; those of joints where ``keep`` (B, K) is 0 are blank."""
        level = self._levels[index]
        return level if keep is None else level * keep[:, :, None, None]


def build_device_targets(encoder: Sequence[dict]) -> DeviceTargets:
    """Tables from the configs of one codec a level.

    Raises:
        ValueError: if they are not ``QuarterOffsetHeatmap`` of one size.
    """
    codecs = [KEYPOINT_CODECS.build(cfg) for cfg in encoder]
    if not codecs or any(not isinstance(codec, QuarterOffsetHeatmap) for codec in codecs):
        raise ValueError(f'encoder has codecs {[type(codec).__name__ for codec in codecs]}, but the head draws targets of '
                         'QuarterOffsetHeatmap alone. Leave encoder out of the head and give the codec to GenerateTarget in '
                         'the data pipeline.')
    sizes = {(codec.input_size, codec.heatmap_size) for codec in codecs}
    if len(sizes) > 1:
        raise ValueError(f'encoder has codecs of several (input_size, heatmap_size): {sorted(sizes)}. Levels differ in '
                         'kernel_size alone.')
    return DeviceTargets(GaussianTargets(*sizes.pop(), [codec.kernel_size for codec in codecs]))


def stack_joints(samples: OptSampleList, device: torch.device) -> Tensor:
    """Joints as ``PackPoseInputs(pack_transformed=True)`` packs them, (B, K, 3): x, y in input px and the visibility.

    They wait on the host, so that one copy takes the batch to the device instead of one a person.

    Raises:
        ValueError: if the samples have none.
    """
    if 'transformed_keypoints' not in samples[0].gt_instances:
        raise ValueError('The data samples have neither target heatmaps nor joints in input pixels. Either let the head make '
                         "the targets: PackPoseInputs(pack_transformed=True) at the end of the training pipeline and the "
                         "codecs as encoder=... of the head; or put GenerateTarget before PackPoseInputs.")
    joints = np.concatenate([sample.gt_instances.transformed_keypoints for sample in samples])
    joints = np.concatenate([joints, stack_visible(samples)[..., None]], axis=-1, dtype=np.float32)
    return send(torch.from_numpy(joints), device)


def stack_visible(samples: OptSampleList) -> np.ndarray:
    """Visibility of every joint, (B, K). Samples that a ``KeypointConverter`` has made have a weight beside each."""
    visible = (np.asarray(sample.gt_instances.keypoints_visible) for sample in samples)
    return np.concatenate([flags[..., 0] if flags.ndim == 3 else flags for flags in visible])


def never_labelled(samples: OptSampleList) -> List[int]:
    """Joints that the data set of a sample does not have, by the weight 0 that a ``KeypointConverter`` gives them."""
    weights = (np.asarray(sample.gt_instances.keypoints_visible) for sample in samples)
    lacking = [(flags[..., 1] == 0).all(axis=0).nonzero()[0] for flags in weights if flags.ndim == 3]
    return sorted({int(joint) for joints in lacking for joint in joints})

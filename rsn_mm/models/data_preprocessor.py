"""Images to the device, normalised as one batch."""
from typing import Any, Dict, List, Optional, Sequence, Union

import torch
from mmengine.utils import is_seq_of
from mmpose.models import PoseDataPreprocessor as MMPosePoseDataPreprocessor
from torch import Tensor

from ..registry import MODELS
from .batches import send_samples


@MODELS.register_module()
class PoseDataPreprocessor(MMPosePoseDataPreprocessor):
    """MMPose's preprocessor, on the whole batch at once and without waiting for the device.

    MMPose's swaps channels, converts and normalises image by image, and each swap sends its index from the host, which
    stops until it has arrived; data samples are sent one by one. The result is the same to the last bit. Images of different
    sizes, and those that are padded (``pad_size_divisor``), go MMPose's way.

    Args:
        mean, std, pad_size_divisor, pad_value, bgr_to_rgb, rgb_to_bgr, batch_augments: As in MMPose.
        non_blocking (bool): Copy to the device without waiting. To good effect, the data loader needs
            ``pin_memory=True``. Defaults to True.
        channels_last (bool): Lay the batch out with channels last in memory, and with it all that the network computes:
            convolutions are written for it, on CPUs as for tensor cores. Shapes stay (B, C, H, W). Defaults to True.
    """

    def __init__(self,
                 mean: Optional[Sequence[float]] = None,
                 std: Optional[Sequence[float]] = None,
                 pad_size_divisor: int = 1,
                 pad_value: Union[float, int] = 0,
                 bgr_to_rgb: bool = False,
                 rgb_to_bgr: bool = False,
                 non_blocking: bool = True,
                 batch_augments: Optional[List[dict]] = None,
                 channels_last: bool = True) -> None:
        super().__init__(mean, std, pad_size_divisor, pad_value, bgr_to_rgb, rgb_to_bgr, non_blocking, batch_augments)
        self._layout = torch.channels_last if channels_last else torch.contiguous_format

    def forward(self, data: Dict[str, Any], training: bool = False) -> Dict[str, Any]:
        """Returns ``inputs`` (B, 3, H, W) float32 on the device, and ``data_samples``."""
        images = data['inputs']
        if self.pad_size_divisor != 1 or (is_seq_of(images, Tensor) and len({image.shape for image in images}) != 1):
            return super().forward(data, training)
        inputs, data_samples = self._normalised(self._sent(images)), data['data_samples']
        send_samples(data_samples, self.device)
        size_hw = tuple(inputs.shape[-2:])
        for data_sample in data_samples:
            data_sample.set_metainfo(dict(batch_input_shape=size_hw, pad_shape=size_hw))
        if training:
            for augment in self.batch_augments or ():
                inputs, data_samples = augment(inputs, data_samples)
        return dict(inputs=inputs, data_samples=data_samples)

    def _sent(self, images: Union[Tensor, Sequence[Tensor]]) -> Tensor:
        """The batch on the device. Images that come one by one, as to tests and inferencers, travel as one, too."""
        batch = images if isinstance(images, Tensor) else torch.stack(tuple(images))
        if self.device.type == 'cuda' and not batch.is_cuda and not batch.is_pinned():
            batch = batch.pin_memory()
        return self.cast_data(batch)

    def _normalised(self, batch: Tensor) -> Tensor:
        batch = batch.contiguous(memory_format=self._layout)
        if self._channel_conversion:
            batch = batch.flip(1)
        batch = batch.float()
        return (batch - self.mean) / self.std if self._enable_normalize else batch

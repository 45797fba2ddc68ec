"""Weights with channels last in memory, as convolutions on tensor cores want them."""
import torch
from mmengine.model import BaseModule


class ChannelsLastWeights(BaseModule):
    """Mixin whose convolutions' weights are channels last, from the end of ``__init__`` on, where it calls :meth:`_lay_out`.

    Images are (``PoseDataPreprocessor``), and so is all that is computed. With other weights each convolution of 3x3 or more
    turns them around in forward and in backward, and its gradient once more: 657 copies in a step of 4xRSN-50.
    """

    def init_weights(self) -> None:
        """As ever, with the same numbers for a seed: they are drawn in the order of memory."""
        self._lay_out(torch.contiguous_format)
        super().init_weights()
        self._lay_out()

    def _lay_out(self, layout: torch.memory_format = torch.channels_last) -> None:
        for parameter in self.parameters():
            if parameter.dim() == 4:
                parameter.data = parameter.data.contiguous(memory_format=layout)

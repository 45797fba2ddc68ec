"""A pose estimator as one graph from crops to joints: normalisation, network, flip test and decoder."""
import copy
from typing import Any, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.model import ImgDataPreprocessor
from mmpose.models import TopdownPoseEstimator
from torch import Tensor, nn

from ..codecs import QuarterOffsetHeatmap
from ..models import MultiStageHead
from .fuse import fuse
from .half import compute_in
from .metadata import OUTPUTS, check_choice


class PoseGraph(nn.Module):
    """From crops as OpenCV reads them to joints, in tensor operations that every runtime has.

    Args:
        model (TopdownPoseEstimator): With a :class:`MultiStageHead`. It is copied, not changed.
        outputs (str): 'joints', 'heatmaps' or 'both'. Joints need :class:`QuarterOffsetHeatmap` as decoder.
        flip_indices (Sequence[int], optional): For every joint its counterpart in the mirrored image. If given, heatmaps
            of the mirrored crop are averaged in, without a shift.
        fused (bool): Whether the network is the faster form of :func:`fuse`. Defaults to True.
        pad_branches_to (int): See :func:`fuse`. 8 for a GPU; it depends on where the graph will run, not on where the model
            is. Defaults to 1.
        dtype (torch.dtype): What the network computes in. Normalisation, the last convolution and the decoder are float32.
            Defaults to float32.

    Shape:
        - Input: images (B, h, w, 3) uint8, BGR.
        - Output: a tuple of keypoints (B, K, 2) in input px and scores (B, K); and / or heatmaps (B, K, h/4, w/4). All
          float32.

    Raises:
        TypeError: if ``model`` is something else.
        ValueError: if ``outputs`` is not known, asks for joints of a codec that is no graph, or the head has no decoder.
    """
    flip_indices: Tensor
    mirrored_columns: Tensor
    mirrored_cells: Tensor
    reversed_channels: Tensor
    mean: Tensor
    inverse_std: Tensor

    def __init__(self,
                 model: TopdownPoseEstimator,
                 outputs: str = 'joints',
                 flip_indices: Union[Sequence[int], np.ndarray, None] = None,
                 fused: bool = True,
                 pad_branches_to: int = 1,
                 dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        check_model(model)
        check_choice('outputs', outputs, tuple(OUTPUTS))
        self.codec = model.head.decoder
        self.outputs = OUTPUTS[outputs]
        if 'keypoints' in self.outputs and not isinstance(self.codec, QuarterOffsetHeatmap):
            raise ValueError(f"outputs={outputs!r} wants the decoder in the graph, but {type(self.codec).__name__} decodes in "
                             "NumPy, joint by joint. Take outputs='heatmaps' and decode them with the codec's own decode(), "
                             'or train with rsn_mm.QuarterOffsetHeatmap.')
        network: TopdownPoseEstimator = fuse(model, pad_branches_to) if fused else copy.deepcopy(model)
        compute_in(network, dtype)
        self.backbone, self.head = network.backbone, network.head
        self._set_normalisation(model.data_preprocessor)
        self.flip_test = flip_indices is not None
        if flip_indices is not None:
            width, height = self.codec.input_size
            self.register_buffer('flip_indices', torch.as_tensor(list(flip_indices)))
            self.register_buffer('mirrored_columns', torch.arange(width - 1, -1, -1))
            self.register_buffer('mirrored_cells', torch.arange(self.codec.heatmap_size[0] - 1, -1, -1))
        self.train(False)

    def forward(self, images: Tensor) -> Tuple[Tensor, ...]:
        heatmaps = self.heatmaps(images)
        if 'keypoints' not in self.outputs:
            return (heatmaps, )
        joints = self.codec.decode_tensor(heatmaps)
        return (*joints, heatmaps) if 'heatmaps' in self.outputs else joints

    def heatmaps(self, images: Tensor) -> Tensor:
        """Heatmaps (B, K, h/4, w/4), float32; with the flip test of both images."""
        images = images.float()  # before all else: TensorRT casts uint8 inputs and does nothing more with them
        if not self.flip_test:
            return self._network(images)
        mirrored = images.index_select(2, self.mirrored_columns)
        straight, mirrored = self._network(torch.cat([images, mirrored])).unflatten(0, (2, -1))
        # An index along each axis in place of a slice with step -1, which some runtimes lack.
        mirrored = mirrored.index_select(3, self.mirrored_cells).index_select(1, self.flip_indices)
        return (straight + mirrored) * 0.5

    def _network(self, images: Tensor) -> Tensor:
        if self.reverse_channels:
            images = images.index_select(3, self.reversed_channels)
        x = (images.permute(0, 3, 1, 2) - self.mean) * self.inverse_std  # channels last in memory, as they came
        return self.head.forward_last(self.backbone(x)).float()

    def _set_normalisation(self, preprocessor: ImgDataPreprocessor) -> None:
        """Take over what MMEngine's image preprocessor does to a picture."""
        normalised = preprocessor._enable_normalize
        mean = preprocessor.mean.flatten() if normalised else torch.zeros(3)
        std = preprocessor.std.flatten() if normalised else torch.ones(3)
        self.reverse_channels = preprocessor._channel_conversion
        self.register_buffer('reversed_channels', torch.tensor([2, 1, 0]))
        self.register_buffer('mean', mean.detach().clone().view(3, 1, 1))
        self.register_buffer('inverse_std', 1 / std.detach().view(3, 1, 1))


def check_model(model: Any) -> None:
    """Raise unless ``model`` is a pose estimator of this project with a decoder."""
    if not isinstance(model, TopdownPoseEstimator) or not isinstance(model.head, MultiStageHead):
        head = f' with a {type(model.head).__name__}' if hasattr(model, 'head') else ''
        raise TypeError(f'model is a {type(model).__name__}{head}; a TopdownPoseEstimator with a rsn_mm.MultiStageHead is '
                        'expected, as mmpose.apis.init_model makes it of a config of rsn_mm.')
    if model.head.decoder is None:
        raise ValueError('The head has no decoder, which holds the input size. Give it one: '
                         "head=dict(decoder=dict(type='rsn_mm.QuarterOffsetHeatmap', ...)).")


def flip_indices_of(dataset_meta: Optional[dict], num_keypoints: int) -> np.ndarray:
    """For every joint its counterpart in the mirrored image.

    Raises:
        ValueError: if the data set is not known.
    """
    indices = (dataset_meta or {}).get('flip_indices')
    if indices is None or len(indices) != num_keypoints:
        raise ValueError(f'flip_test=True needs the flip indices of all {num_keypoints} joints, and model.dataset_meta has '
                         f'{indices}. Build the model with mmpose.apis.init_model, or set '
                         "model.dataset_meta = dict(flip_indices=[...]).")
    return np.asarray(indices)

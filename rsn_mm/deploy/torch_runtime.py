"""A pose model in PyTorch."""
from typing import Union

import numpy as np
import torch
from mmpose.models import TopdownPoseEstimator

from .base import Outputs, PoseRuntime
from .graph import PoseGraph, check_model, flip_indices_of
from .metadata import PoseMetadata
from .precision import DTYPES, select, torch_precisions

# Channels of a branch on a GPU are a multiple of this, which tensor cores want.
GPU_BRANCHES = 8


class TorchRuntime(PoseRuntime):
    """The model in PyTorch, on any device.

    Args:
        model (TopdownPoseEstimator): The pose estimator. It is copied.
        device (str): 'cpu', 'cuda', 'cuda:1'. Defaults to 'cpu'.
        precision (str): See :func:`load_runtime`. Weights are cast once; the last heatmaps and the decoder are float32.
        outputs, flip_test, max_batch, fused: See :func:`load_runtime`.
    """

    def __init__(self, model: TopdownPoseEstimator, device: str = 'cpu', precision: str = 'auto', outputs: str = 'joints',
                 flip_test: bool = False, max_batch: int = 8, fused: bool = True) -> None:
        check_model(model)
        self.device = numbered(device)
        self.precision = select(precision, torch_precisions(self.device), f'PyTorch on {self.device}')
        flip_indices = flip_indices_of(getattr(model, 'dataset_meta', None), model.head.out_channels) if flip_test else None
        pad_branches_to = GPU_BRANCHES if self.device.type == 'cuda' else 1
        self.graph = PoseGraph(model, outputs, flip_indices, fused, pad_branches_to, DTYPES[self.precision]).to(self.device)
        super().__init__(PoseMetadata.from_model(model, self.graph.outputs, flip_test, self.precision), max_batch)

    @torch.inference_mode()
    def _run(self, images: np.ndarray) -> Outputs:
        outputs = dict(heatmaps=self.graph.heatmaps(torch.from_numpy(images).to(self.device, non_blocking=True)))
        if 'keypoints' in self.metadata.outputs:
            outputs['keypoints'], outputs['scores'] = self.graph.codec.decode_batch(outputs['heatmaps'])
        return {name: outputs[name].cpu().numpy() for name in self.metadata.outputs}


def numbered(device: Union[str, torch.device]) -> torch.device:
    """'cuda' as the GPU that it stands for in this thread (``torch.cuda.set_device``): in others it stands for the first."""
    device = torch.device(device)
    if device.type != 'cuda' or device.index is not None:
        return device
    return torch.device('cuda', torch.cuda.current_device() if torch.cuda.is_initialized() else 0)

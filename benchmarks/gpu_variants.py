"""Ways to predict on a GPU, from normalised images (B, 3, H, W) on the device to joints on the host."""
from contextlib import nullcontext
from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor, nn

from rsn_mm.deploy import fuse
from rsn_mm.deploy.cuda_graphs import CudaGraphs

DTYPES = dict(fp32=torch.float32, fp16=torch.float16, bf16=torch.bfloat16)
Predict = Callable[[Tensor], Any]


def stock_predict(model: nn.Module, mode: str, channels_last: bool) -> Predict:
    """Stock backbone, head and decoder, as ``TopdownPoseEstimator.predict`` runs them.

    ``mode``: 'fp32', 'fp16' (converted weights) or 'autocast'. Heatmaps are made float32 before the decoder: half of
    OpenCV refuses half precision.
    """
    layout = torch.channels_last if channels_last else torch.contiguous_format
    dtype = torch.float16 if mode == 'fp16' else torch.float32
    model = model.to(dtype=dtype, memory_format=layout)

    @torch.no_grad()
    def predict(images: Tensor) -> Any:
        context = torch.autocast(images.device.type, _half(images)) if mode == 'autocast' else nullcontext()
        with context:
            heatmaps = model.head.forward(model.backbone(images.to(dtype=dtype, memory_format=layout)))[-1]
        return model.head.decode(heatmaps.float())

    return predict


def our_heatmaps(model: nn.Module, precision: str = 'fp32', channels_last: bool = True, fused: bool = True,
                 padded: bool = False, compile_mode: Optional[str] = None) -> Callable[[Tensor], Tensor]:
    """Images to the heatmaps of the last unit. ``padded``: branches of 26 channels become 32, with zeros (fused only)."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = fuse(model, pad_branches_to=8 if padded else 1) if fused else model
    model = model.to(dtype=DTYPES[precision], memory_format=layout)

    def network(images: Tensor) -> Tensor:
        return model.head.forward_last(model.backbone(images))

    if compile_mode is not None:
        network = torch.compile(network, mode=compile_mode)

    @torch.no_grad()
    def heatmaps(images: Tensor) -> Tensor:
        return network(images.to(dtype=DTYPES[precision], memory_format=layout))

    return heatmaps


def our_predict(decoder: Any, heatmaps: Callable[[Tensor], Tensor], graph_for: Optional[Tensor] = None,
                graph_decoder: bool = True) -> Predict:
    """Joints on the host. ``graph_for``: capture network (and decoder) in a CUDA graph for images of this shape."""

    @torch.no_grad()
    def joints(images: Tensor) -> Tuple[Tensor, Tensor]:
        return decoder.decode_tensor(heatmaps(images))

    run = joints
    if graph_for is not None and graph_decoder:
        run = graphed(joints, graph_for)
    elif graph_for is not None:
        network = graphed(heatmaps, graph_for)

        def run(images: Tensor) -> Tuple[Tensor, Tensor]:
            return decoder.decode_tensor(network(images))

    def predict(images: Tensor) -> Any:
        return tuple(part.cpu() for part in run(images))

    return predict


def graphed(function: Callable[[Tensor], Any], example: Tensor) -> Callable[[Tensor], Any]:
    """``function`` as one CUDA graph. Its result is overwritten by the next call."""
    graphs = CudaGraphs(function, example.clone())
    graphs(len(example))
    if not graphs.captured:
        raise RuntimeError('no CUDA graph could be captured')

    def replay(images: Tensor) -> Any:
        graphs.inputs.copy_(images)
        return graphs(len(images))

    return replay


def _half(images: Tensor) -> torch.dtype:
    return torch.float16 if images.is_cuda else torch.bfloat16


def relative_difference(actual: Tensor, expected: Tensor) -> float:
    """Largest difference over the largest magnitude."""
    actual, expected = actual.detach().float().cpu(), expected.detach().float().cpu()
    return float((actual - expected).abs().max() / expected.abs().max())

"""Run a model on people in an image and keep what it saw on the way."""
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import cv2
import numpy as np
import torch
from mmpose.apis import inference_topdown, init_model
from mmpose.models import TopdownPoseEstimator
from torch import Tensor

from .weights import down_paths, mean_activation

Box = Sequence[float]


class Inspection(NamedTuple):
    """What a model makes of an image with N people.

    image: (H, W, 3) uint8, RGB. boxes: (N, 4), x1, y1, x2, y2 in image px. samples: MMPose's predictions, one a person.
    crops: (N, h, w, 3) uint8, RGB, what the network was given.
    features: (N, h', w') in 0..1, mean over channels of the deepest level of the last stage's way down.
    level: its number, 4 in the paper's networks.
    heatmaps: (N, K, h'', w'') of the last unit (level 1), None if the head makes none.
    """
    image: np.ndarray
    boxes: np.ndarray
    samples: List[Any]
    crops: np.ndarray
    features: np.ndarray
    level: int
    heatmaps: Optional[np.ndarray]


def load_model(config: Path, checkpoint: str, device: str = 'cpu') -> TopdownPoseEstimator:
    """MMPose's ``init_model`` with heatmaps kept, after a look whether the files are there.

    Args:
        config (Path): Config file.
        checkpoint (str): Checkpoint file or URL.
        device (str): Defaults to ``'cpu'``.

    Raises:
        FileNotFoundError: if one of the files does not exist.
        ValueError: if the checkpoint does not fit, the model is none that can be looked into, or there is no such device.
    """
    if device.startswith('cuda') and not torch.cuda.is_available():
        raise ValueError(f"device={device!r} is not there: PyTorch finds no GPU. Use 'cpu'.")
    if not config.is_file():
        raise FileNotFoundError(f'config={str(config)!r} does not exist. Name a config file, for example '
                                'configs/rsn18_coco_256x192.py.')
    if '://' not in checkpoint and not Path(checkpoint).is_file():
        raise FileNotFoundError(f'checkpoint={checkpoint!r} does not exist. Name a .pth file that was trained with {config}.')
    model = init_model(str(config), checkpoint, device=device,
                       cfg_options={'model.test_cfg.output_heatmaps': True})
    down_paths(model.backbone)
    return model


def inspect_image(model: TopdownPoseEstimator, image: Path, boxes: Optional[Sequence[Box]] = None) -> Inspection:
    """Predict the poses of people in an image and keep features and heatmaps.

    Args:
        model (TopdownPoseEstimator): Of :func:`load_model`.
        image (Path): Image file.
        boxes (Sequence[Box], optional): People, x1, y1, x2, y2 in pixels. Defaults to one box around the whole image.

    Raises:
        FileNotFoundError: if the image does not exist.
        ValueError: if it is no image, or a box is empty or outside.
    """
    if not image.is_file():
        raise FileNotFoundError(f'image={str(image)!r} does not exist.')
    bgr = cv2.imread(str(image))
    if bgr is None:
        raise ValueError(f'image={str(image)!r} cannot be read as an image: give a JPEG, PNG or another format of OpenCV.')
    height, width = bgr.shape[:2]
    checked = np.array([check_box(box, (width, height)) for box in boxes or [(0, 0, width, height)]], dtype=np.float32)

    inputs: List[Tensor] = []
    levels: List[List[Tensor]] = []
    handles = [
        model.backbone.register_forward_pre_hook(lambda module, args: inputs.append(args[0].detach())),
        down_paths(model.backbone)[-1].register_forward_hook(lambda module, args, output: levels.append(output)),
    ]
    try:
        samples = inference_topdown(model, bgr, checked)
    finally:
        for handle in handles:
            handle.remove()
    # The first call is for the crops, a second one for their mirror images.
    heatmaps = [sample.pred_fields.heatmaps.cpu().numpy() for sample in samples if 'pred_fields' in sample]
    return Inspection(
        cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), checked, samples, _crops(model, inputs[0]),
        mean_activation(levels[0][-1]).cpu().numpy(), len(levels[0]), np.stack(heatmaps) if heatmaps else None)


def check_box(box: Box, size_wh: Tuple[int, int]) -> Box:
    """Raises ValueError for a box (x1, y1, x2, y2) that is empty or does not meet the image of (width, height) pixels."""
    width, height = size_wh
    values = [float(value) for value in box]
    if len(values) != 4 or not np.isfinite(values).all():
        raise ValueError(f'box {tuple(box)} must be four numbers x1, y1, x2, y2 in pixels.')
    x1, y1, x2, y2 = values
    if x2 <= x1 or y2 <= y1:
        raise ValueError(f'box {tuple(box)} is empty: x2 must be larger than x1, and y2 than y1 (x1, y1, x2, y2 in pixels).')
    if x2 <= 0 or y2 <= 0 or x1 >= width or y1 >= height:
        raise ValueError(f'box {tuple(box)} lies outside the image of {width} x {height} pixels (x1, y1, x2, y2 in pixels).')
    return values


def _crops(model: TopdownPoseEstimator, inputs: Tensor) -> np.ndarray:
    """Undo the normalisation of the network's input, (N, 3, h, w) to (N, h, w, 3) uint8, RGB."""
    preprocessor = model.data_preprocessor
    if getattr(preprocessor, '_enable_normalize', False):
        inputs = inputs * preprocessor.std.to(inputs) + preprocessor.mean.to(inputs)
    pixels = inputs.round().clamp(0, 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels if getattr(preprocessor, '_channel_conversion', True) else pixels[..., ::-1]

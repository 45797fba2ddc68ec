"""A small pose estimator and its exported files, made once: an export takes seconds."""
from pathlib import Path
from typing import Any, Optional

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from torch import nn

from rsn_mm import registry
from rsn_mm.deploy import export_onnx, quantize

INPUT_SIZE = (48, 64)  # (w, h): not square, so that mixed up axes show
FLIP_INDICES = (0, 2, 1, 4, 3)
DATASET_META = dict(
    dataset_name='five',
    keypoint_id2name=dict(enumerate(('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'))),
    skeleton_links=[(0, 1), (0, 2)],
    flip_indices=list(FLIP_INDICES))


def settled(model: nn.Module) -> nn.Module:
    """In eval mode, with norms that are not the identity."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
    return model.train(False)


def make_model(decoder_type: str = 'QuarterOffsetHeatmap', prm: Optional[str] = None, stem_channels: int = 8,
               **decoder: Any) -> nn.Module:
    """In eval mode, with norms that are not the identity, and a normalisation whose channels all differ."""
    torch.manual_seed(0)
    width, height = INPUT_SIZE
    decoder = decoder or dict(kernel_size=5)
    cfg = dict(
        type='TopdownPoseEstimator',
        data_preprocessor=dict(
            type='PoseDataPreprocessor', mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True),
        backbone=dict(type='RSN', num_blocks=[1, 1], stem_channels=stem_channels, unit_channels=16),
        head=dict(
            type='MultiStageHead', num_units=2, in_channels=16, out_channels=5, prm=prm,
            decoder=dict(type=decoder_type, input_size=INPUT_SIZE, heatmap_size=(width // 4, height // 4), **decoder)))
    with DefaultScope.overwrite_default_scope('rsn_mm'):
        model = registry.MODELS.build(cfg)
    model.dataset_meta = DATASET_META
    return settled(model)


@pytest.fixture(scope='session')
def model() -> nn.Module:
    return make_model()


@pytest.fixture(scope='session')
def crops() -> np.ndarray:
    """Seven: no multiple of the batch sizes in use."""
    width, height = INPUT_SIZE
    return np.random.default_rng(0).integers(0, 256, (7, height, width, 3), dtype=np.uint8)


@pytest.fixture(scope='session')
def exported(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With joints and heatmaps."""
    path = tmp_path_factory.mktemp('exported') / 'both.onnx'
    export_onnx(model, path, outputs='both')
    return path


@pytest.fixture(scope='session')
def exported_with_flip_test(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('exported') / 'flip.onnx'
    export_onnx(model, path, outputs='both', flip_test=True)
    return path


@pytest.fixture(scope='session')
def quantized(exported: Path, crops: np.ndarray) -> Path:
    path = exported.with_name('int8.onnx')
    quantize(exported, path, crops)
    return path

"""Networks of MMPose and of the authors, small, in eval mode, with weights as after training."""
from typing import Any, Callable, Dict, Optional

import pytest
import torch
from torch import Tensor, nn

import rsn_mm  # noqa: F401  makes mmpose importable

# After rsn_mm, which makes the stack importable.
from mmengine.registry import DefaultScope  # isort: skip
from mmpose.registry import MODELS as MMPOSE_MODELS  # isort: skip
from rsn_mm import registry  # isort: skip


def as_trained(model: nn.Module, *forward: Any) -> nn.Module:
    """Weights of every norm random and its statistics those of random images, as after training; no two alike.

    Args:
        model: The network, which comes back in eval mode.
        forward: What the network is called with besides the images.
    """
    norms = [layer for layer in model.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    for norm in norms:
        nn.init.uniform_(norm.weight, .5, 1.5)
        nn.init.normal_(norm.bias, 0, .1)
        norm.momentum = None
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.normal_(layer.bias, 0, .5)
    model.train()
    with torch.no_grad():
        model(torch.randn(8, 3, 64, 48), *forward)
    model.train(False)  # eval() of stock's backbone returns None, and .eval() is train(False)
    return model


@pytest.fixture(name='as_trained')
def as_trained_fixture() -> Callable[..., nn.Module]:
    return as_trained


@pytest.fixture
def make_stock() -> Callable[..., nn.Module]:
    """A whole pose estimator of stock MMPose: two levels of one block unless told otherwise, 5 joints, 64x48 images."""

    def make(num_stages: int = 1, use_prm: bool = False, family: str = 'RSN', **backbone: Any) -> nn.Module:
        backbone = dict(dict(num_blocks=[2, 1], unit_channels=32), **backbone)
        out_channels = backbone.pop('out_channels', 5)
        num_units = len(backbone['num_blocks'])
        cfg = dict(
            type='TopdownPoseEstimator',
            backbone=dict(type=family, num_stages=num_stages, num_units=num_units, **backbone),
            head=dict(type='MSPNHead', num_stages=num_stages, num_units=num_units, unit_channels=backbone['unit_channels'],
                      out_channels=out_channels, out_shape=(16, 12), use_prm=use_prm,
                      level_indices=list(range(num_units)) * num_stages))
        with DefaultScope.overwrite_default_scope('mmpose'):
            return as_trained(MMPOSE_MODELS.build(cfg), None, 'tensor')

    return make


@pytest.fixture
def make_ours() -> Callable[..., nn.Module]:
    """Ours of the same sizes."""

    def make(num_stages: int = 1, prm: Optional[str] = None, **backbone: Any) -> nn.Module:
        backbone.setdefault('num_blocks', [2, 1])
        cfg = dict(
            type='TopdownPoseEstimator',
            backbone=dict(type='RSN', num_stages=num_stages, unit_channels=32, **backbone),
            head=dict(type='MultiStageHead', num_stages=num_stages, num_units=len(backbone['num_blocks']), in_channels=32,
                      out_channels=5, prm=prm))
        with DefaultScope.overwrite_default_scope('rsn_mm'):
            return as_trained(registry.MODELS.build(cfg), None, 'tensor')

    return make


@pytest.fixture
def assert_same_heatmaps() -> Callable[[nn.Module, nn.Module], None]:
    """All units' heatmaps of two pose estimators agree to 1e-9 of the largest value.

    In float64: in float32 two orders of adding, as CPUs choose them, are up to 1e-4 apart through such deep networks.
    """

    def check(expected: nn.Module, given: nn.Module) -> None:
        image = torch.randn(2, 3, 64, 48, dtype=torch.float64)
        with torch.no_grad():
            references = expected.double()(image, None, mode='tensor')
            heatmaps = given.double().train(False)(image, None, mode='tensor')
        assert len(heatmaps) == len(references)
        for heatmap, reference in zip(heatmaps, references):
            assert .1 < reference.abs().max() < 1000
            assert (heatmap - reference).abs().max() < 1e-9 * reference.abs().max()

    return check


@pytest.fixture
def assert_same_tensors() -> Callable[[Dict[str, Tensor], Dict[str, Tensor]], None]:
    """Same names, same values, bit for bit."""

    def check(expected: Dict[str, Tensor], given: Dict[str, Tensor]) -> None:
        assert sorted(given) == sorted(expected)
        for name, tensor in expected.items():
            assert torch.equal(given[name], tensor), name

    return check

"""Averages of the weights: MMEngine's and MMPose's values, in operators whose number does not depend on the tensors."""
import copy
from typing import Any, Sequence

import pytest
import torch
from mmengine.model import ExponentialMovingAverage as MMEngineEMA
from mmpose.engine.hooks.ema_hook import ExpMomentumEMA as MMPoseEMA
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.engine import ExpMomentumEMA, ExponentialMovingAverage
from rsn_mm.registry import MODELS

PAIRS = [(ExpMomentumEMA, MMPoseEMA), (ExponentialMovingAverage, MMEngineEMA)]


class Kernels(TorchDispatchMode):

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def network(num_layers: int = 3) -> nn.Module:
    return nn.Sequential(*[layer for _ in range(num_layers) for layer in (nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3))])


def train(model: nn.Module, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in model.state_dict().values():
            tensor.copy_(torch.rand(tensor.shape, generator=generator) * 9)


@pytest.mark.parametrize('ours, theirs', PAIRS)
@pytest.mark.parametrize('options', [{}, dict(update_buffers=True), dict(interval=2), dict(momentum=.1, update_buffers=True)],
                         ids=str)
def test_same_values(ours: type, theirs: type, options: dict) -> None:
    model = network()
    averages = [kind(model, **options) for kind in (ours, theirs)]
    for step in range(5):
        train(model, step)
        if step == 3:
            model.to(memory_format=torch.channels_last)  # other memory
        for average in averages:
            average.update_parameters(model)
        torch.testing.assert_close(averages[0].state_dict(), averages[1].state_dict(), rtol=0, atol=0)
    assert int(averages[0].steps) == 5


@pytest.mark.parametrize('ours, theirs', PAIRS)
@pytest.mark.parametrize('update_buffers', [False, True])
def test_few_operators(ours: type, theirs: type, update_buffers: bool) -> None:
    counts = []
    for kind, num_layers in ((ours, 2), (ours, 9), (theirs, 9)):
        model = network(num_layers)
        average = kind(model, update_buffers=update_buffers)
        for _ in range(2):
            average.update_parameters(model)
        with Kernels() as kernels:
            average.update_parameters(model)
        counts.append(kernels.count)
    assert counts[0] == counts[1] < 12 < counts[2]


def test_resumes_and_is_copied(scope) -> None:
    scope('rsn_mm')
    model = network()
    average = MODELS.build(dict(type='ExpMomentumEMA', model=model))
    assert type(average) is ExpMomentumEMA
    average.update_parameters(model)
    other = copy.deepcopy(average)
    fresh = ExpMomentumEMA(model)
    fresh.load_state_dict(average.state_dict())
    train(model, 1)
    for each in (average, other, fresh):
        each.update_parameters(model)
    for each in (other, fresh):
        torch.testing.assert_close(each.state_dict(), average.state_dict(), rtol=0, atol=0)

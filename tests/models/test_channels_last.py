"""Weights are channels last in memory, with the numbers that contiguous ones would have, and no gradient is turned around."""
from typing import Any, Callable, List, Sequence

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.models import RSN, MultiStageHead, RSNEncoder
from rsn_mm.models.channels_last import ChannelsLastWeights

MAKERS = [
    lambda: RSN(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
    lambda: RSNEncoder(num_blocks=[1, 1], stem_channels=8, out_indices=(1, )),
    lambda: MultiStageHead(num_units=2, in_channels=16, out_channels=3, prm='features'),
]


def convolutions(model: nn.Module) -> List[nn.Conv2d]:
    return [module for module in model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize('make', MAKERS)
def test_before_and_after_initialization(make: Callable[[], nn.Module]) -> None:
    model = make()
    for _ in range(2):
        assert all(conv.weight.is_contiguous(memory_format=torch.channels_last) for conv in convolutions(model))
        model.init_weights()


@pytest.mark.parametrize('make', MAKERS)
def test_a_seed_gives_the_numbers_that_it_gave(make: Callable[[], nn.Module], monkeypatch: pytest.MonkeyPatch) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(0)
        model = make()
        model.init_weights()
        states.append(model.state_dict())
        monkeypatch.setattr(ChannelsLastWeights, '_lay_out', lambda self, layout=None: None)
    assert any(a.stride() != b.stride() for a, b in zip(states[0].values(), states[1].values()))
    torch.testing.assert_close(states[0], states[1], rtol=0, atol=0)


def test_optimizers_and_averages_keep_the_parameters() -> None:
    model = MAKERS[0]()
    before = list(model.parameters())
    model.init_weights()
    assert all(a is b for a, b in zip(model.parameters(), before))


class TurnedAround(TorchDispatchMode):
    """Counts copies between layouts."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in (torch.ops.aten.copy_, torch.ops.aten.clone) and len(args) > 0 and args[0].dim() == 4:
            self.count += 1
        return func(*args, **(kwargs or {}))


def test_no_gradient_is_turned_around() -> None:
    counts = []
    with FakeTensorMode(allow_non_fake_inputs=True):
        for layout in (torch.channels_last, torch.contiguous_format):
            model = RSN(num_blocks=[1, 1], stem_channels=16, unit_channels=16)
            model._lay_out(layout)
            image = torch.zeros(2, 3, 64, 64).contiguous(memory_format=torch.channels_last)
            loss = sum(unit.sum() for unit in model(image)[0])
            with TurnedAround() as turned:
                loss.backward()
            counts.append(turned.count)
    assert counts[0] == 0 < counts[1]

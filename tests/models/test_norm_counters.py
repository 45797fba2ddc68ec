"""Counters of batch norms: the numbers that each norm would have counted, in one operator."""
import copy
from typing import Any, List, Sequence

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.models import RSN, MultiStageHead, RSNEncoder
from rsn_mm.models.norm_counters import counted_together

aten = torch.ops.aten


class Additions(TorchDispatchMode):
    """Lists the operators that add to integers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: List[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        tensors = args[0] if args and isinstance(args[0], (list, tuple)) else args[:1]
        if func.overloadpacket in (aten.add_, aten._foreach_add_, aten.clone) and any(
                isinstance(x, torch.Tensor) and not x.is_floating_point() for x in tensors):
            self.found.append(func.overloadpacket)
        return func(*args, **(kwargs or {}))


def rsn(with_cp: bool = False) -> RSN:
    return RSN(num_blocks=[1, 1], stem_channels=8, unit_channels=16, with_cp=with_cp).train()


def counters(model: nn.Module) -> List[int]:
    return [int(buffer) for name, buffer in model.named_buffers() if name.endswith('num_batches_tracked')]


@pytest.mark.parametrize('with_cp', [False, True])
def test_a_step_counts_once_in_one_operator(with_cp: bool) -> None:
    backbone, head = rsn(with_cp), MultiStageHead(num_units=2, in_channels=16, out_channels=3)
    image = torch.randn(2, 3, 32, 32)
    with Additions() as additions:
        sum(maps.sum() for maps in head(backbone(image))).backward()
    assert additions.found == [aten._foreach_add_] * 2
    for model in (backbone, head):
        assert set(counters(model)) == {1}
        assert set(model.state_dict()) == {name for name, _ in [*model.named_parameters(), *model.named_buffers()]}


def test_norms_on_their_own_count_as_before() -> None:
    encoder = RSNEncoder(num_blocks=[1, 1], stem_channels=8, out_indices=(1, ), frozen_stages=0).train()
    encoder(torch.randn(2, 3, 32, 32))
    assert set(counters(encoder.stem)) == {0} and set(counters(encoder.down)) == {1}
    encoder.eval()(torch.randn(2, 3, 32, 32))
    assert set(counters(encoder.down)) == {1}


def test_statistics_are_those_of_norms_that_count_themselves() -> None:
    norms = nn.Sequential(nn.BatchNorm2d(3), nn.BatchNorm2d(3, momentum=None), nn.SyncBatchNorm(3).eval(),
                          nn.BatchNorm2d(3, track_running_stats=False)).train()
    norms[2].eval()
    plain = copy.deepcopy(norms)
    for _ in range(3):
        image = torch.randn(2, 3, 4, 4)
        with counted_together(norms):
            found = norms(image)
        torch.testing.assert_close(found, plain(image), rtol=0, atol=0)
    torch.testing.assert_close(norms.state_dict(), plain.state_dict(), rtol=0, atol=0)
    assert counters(norms) == [3, 3, 0]


def test_an_error_leaves_the_counters_in_place() -> None:
    model = rsn()
    with pytest.raises(RuntimeError):
        model(torch.randn(2, 4, 32, 32))
    assert len(counters(model)) == sum(isinstance(m, nn.BatchNorm2d) for m in model.modules())

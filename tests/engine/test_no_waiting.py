"""Between two lines of the log, nothing in an iteration asks the device for a value."""
from typing import Any, Callable, Sequence, Set

import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from .conftest import LOG_INTERVAL

aten = torch.ops.aten
ASKS = {aten._local_scalar_dense.default, aten.nonzero.default, aten.masked_select.default, aten.equal.default}
# new_tensor copies from the host, and waits for it.
HOST_COPIES = {Tensor.numpy, Tensor.tolist, Tensor.cpu, Tensor.__array__, Tensor.new_tensor}


class Waits(Exception):
    """On a GPU the host would wait here."""


class Operators(TorchDispatchMode):
    """Raises where an operator's result depends on values. ``on_host``: addresses of tensors that never leave the host."""

    def __init__(self, on_host: Set[int]) -> None:
        super().__init__()
        self.on_host = on_host

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        by_mask = func is aten.index.Tensor and any(i is not None and i.dtype == torch.bool for i in args[1])
        if by_mask or (func in ASKS and args[0].data_ptr() not in self.on_host):
            raise Waits(str(func))
        return func(*args, **(kwargs or {}))


class Copies(TorchFunctionMode):
    """Raises where values are copied between host and device, which on a CPU is no operator."""

    def __torch_function__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        if func in HOST_COPIES:
            raise Waits(str(func))
        return func(*args, **(kwargs or {}))


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Sequence[int]:
    """Guard the iterations between lines of the log; the first one makes the histories. Returns those guarded."""
    run_iter, iterations = EpochBasedTrainLoop.run_iter, []

    def guarded_iter(self: EpochBasedTrainLoop, idx: int, data_batch: Any) -> None:
        if idx == 0 or (idx + 1) % LOG_INTERVAL == 0:
            run_iter(self, idx, data_batch)
            return
        iterations.append(idx)
        # The optimizer counts its steps on the host.
        steps = {state['step'].data_ptr() for state in self.runner.optim_wrapper.optimizer.state.values()}
        with Operators(steps), Copies():
            run_iter(self, idx, data_batch)

    monkeypatch.setattr(EpochBasedTrainLoop, 'run_iter', guarded_iter)
    return iterations


@pytest.mark.parametrize('wrapper', ['OptimWrapper', 'AmpOptimWrapper'])
@pytest.mark.parametrize('with_cp', [False, True])
def test_nothing_waits(make_runner: Callable, guarded: Sequence[int], wrapper: str, with_cp: bool) -> None:
    make_runner(optim_wrapper=dict(type=wrapper), model=dict(backbone=dict(with_cp=with_cp))).train()
    assert guarded == [1, 3, 4, 6]


@pytest.mark.parametrize('stock', [
    dict(default_hooks=dict(runtime_info=dict(type='mmengine.RuntimeInfoHook'))),
    dict(optim_wrapper=dict(type='mmengine.OptimWrapper')),
], ids=['hook', 'wrapper'])
def test_stock_waits(make_runner: Callable, guarded: Sequence[int], stock: dict) -> None:
    """The guard sees what MMEngine's own classes do."""
    with pytest.raises(Waits, match='_local_scalar_dense'):
        make_runner(**stock).train()


@pytest.mark.parametrize('copy', [Tensor.tolist, Tensor.numpy, Tensor.cpu, lambda x: x.new_tensor([1.])])
def test_guard_sees_copies(copy: Callable) -> None:
    with Copies(), pytest.raises(Waits):
        copy(torch.ones(1))

"""Activation checkpointing that leaves running statistics alone."""
from contextlib import contextmanager, nullcontext
from typing import Any, Callable, Iterator

import torch
from packaging.version import Version
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint as torch_checkpoint

# Seen in torch 2.6 and not in 2.13: compiled, a recomputed batch norm updates its running statistics a second time.
_COMPILER_REPEATS_WRITES = Version(torch.__version__) < Version('2.13')


def checkpoint(module: nn.Module, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """``function(*inputs)``, with its activations recomputed in the backward pass instead of kept.

    The second run would update the running mean and variance of batch norms a second time with the same batch: here it
    does not, so training with and without checkpointing gives the same weights and the same statistics.

    Args:
        module (nn.Module): Owner of the layers that ``function`` runs.
        function (Callable): What to run. It must draw no random numbers.
        *inputs: Its inputs, tensors among them, which are kept.

    Returns:
        Tensor: ``function(*inputs)``. Where no gradient is needed nothing is recomputed.
    """
    if not (module.training and any(isinstance(x, Tensor) and x.requires_grad for x in inputs)):
        return function(*inputs)
    if torch.compiler.is_compiling():
        if _COMPILER_REPEATS_WRITES:
            return _outside_of_the_graph(module, function, *inputs)
        # The compiler repeats operators, not what they write: statistics need no protection.
        return torch_checkpoint(function, *inputs, use_reentrant=False)
    return _checkpoint(module, function, *inputs)


def _checkpoint(module: nn.Module, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    return torch_checkpoint(
        function, *inputs, use_reentrant=False, preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), _frozen_statistics(module)))


# torch.compiler.disable imports the compiler, half a second.
_outside_of_the_graph = torch.compiler.disable(_checkpoint) if _COMPILER_REPEATS_WRITES else _checkpoint


@contextmanager
def _frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norms of ``module`` normalise by the batch without recording it.

    Momentum 0 keeps the running mean and variance. Switching ``track_running_stats`` off would be plainer, but then
    autograd saves fewer tensors than in the first run, which PyTorch refuses.
    """
    norms = [m for m in module.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]
    kept = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
        # Nothing is counted; SyncBatchNorm insists on a counter, of which any does.
        norm.num_batches_tracked = torch.zeros((), dtype=torch.long) if isinstance(norm, nn.SyncBatchNorm) else None
    try:
        yield
    finally:
        for norm, momentum, num_batches_tracked in kept:
            norm.momentum = momentum
            norm.num_batches_tracked = num_batches_tracked

"""Process groups of the PyTorch and slurm launchers without a GPU: gloo, and DDP around modules on the CPU."""
import functools
from typing import Any, Callable, Optional
from unittest import mock

import torch.distributed as torch_dist
from mmengine.device import is_cuda_available, is_mlu_available, is_musa_available, is_npu_available
from mmengine.dist import utils as dist_utils
from mmengine.model import MMDistributedDataParallel
from torch import nn


def missing() -> Optional[str]:
    if is_cuda_available() or is_npu_available() or is_mlu_available() or is_musa_available():
        return None
    return 'without a GPU process groups use gloo'


def install() -> None:
    dist_utils._init_dist_pytorch = _init_gloo
    dist_utils._init_dist_slurm = _with_gloo(dist_utils._init_dist_slurm)
    original = MMDistributedDataParallel.__init__

    @functools.wraps(original)
    def init(self: MMDistributedDataParallel, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        # The Runner passes the rank as a GPU number; a module on the CPU takes none.
        kwargs['device_ids'] = None
        original(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init


def _init_gloo(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
    torch_dist.init_process_group(backend='gloo', **kwargs)


def _with_gloo(original: Callable[..., None]) -> Callable[..., None]:
    """MMEngine's reading of slurm's variables, without the choice of a GPU that follows it."""

    @functools.wraps(original)
    def init(backend: str, *args: Any, **kwargs: Any) -> None:
        with mock.patch('torch.cuda.set_device'):
            original('gloo', *args, **kwargs)

    return init

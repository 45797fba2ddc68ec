"""Process groups of the PyTorch launcher without a GPU: gloo, and DDP around modules on the CPU."""
import functools
from typing import Any, Optional

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
    original = MMDistributedDataParallel.__init__

    @functools.wraps(original)
    def init(self: MMDistributedDataParallel, module: nn.Module, *args: Any, **kwargs: Any) -> None:
        # The Runner passes the rank as a GPU number; a module on the CPU takes none.
        kwargs['device_ids'] = None
        original(self, module, *args, **kwargs)

    MMDistributedDataParallel.__init__ = init


def _init_gloo(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
    torch_dist.init_process_group(backend='gloo', **kwargs)

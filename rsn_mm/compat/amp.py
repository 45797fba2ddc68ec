"""``AmpOptimWrapper`` (``--amp``) without a GPU: bfloat16 autocast, which needs no loss scaling.

MMEngine asserts an accelerator, though its autocast and PyTorch's gradient scaler (which switches itself off) work on
a CPU as they are.
"""
from typing import Optional

from mmengine.device import is_cuda_available, is_mlu_available, is_musa_available, is_npu_available
from mmengine.optim.optimizer import amp_optimizer_wrapper


def missing() -> Optional[str]:
    if is_cuda_available() or is_npu_available() or is_mlu_available() or is_musa_available():
        return None
    return 'without a GPU AmpOptimWrapper computes in bfloat16'


def install() -> None:
    # The name is looked up in that module by the assertion alone.
    amp_optimizer_wrapper.is_cuda_available = lambda: True

"""The numbers that a network is computed in: what runtimes and devices have, and what 'auto' stands for."""
from typing import Sequence, Tuple

import torch

from ..cpu import BFLOAT16_FEATURES, cpu_features
from .metadata import check_choice

PRECISIONS = ('auto', 'float32', 'bfloat16', 'float16', 'int8')
DTYPES = dict(float32=torch.float32, bfloat16=torch.bfloat16, float16=torch.float16)
REMEDIES = dict(
    bfloat16='bfloat16 is for CPUs with AVX512_BF16 or AMX (PyTorch, OpenVINO) and GPUs from Ampere on (PyTorch)',
    float16='float16 is for GPUs: PyTorch, or a float16 file of rsn_mm.deploy.export_onnx in ONNX Runtime',
    int8='int8 is for files that hold it: rsn_mm.deploy.quantize, or rsn-mm export --int8, writes them',
    float32='float32 is for models in PyTorch, and for files that were exported without int8 or float16')


def select(precision: str, available: Sequence[str], where: str) -> str:
    """The precision to compute in.

    Args:
        precision (str): One of :data:`PRECISIONS`.
        available (Sequence[str]): What there is; the first is what 'auto' stands for.
        where (str): What has it, for the message.

    Raises:
        ValueError: if ``precision`` is not known or not available.
    """
    check_choice('precision', precision, PRECISIONS)
    if precision == 'auto':
        return available[0]
    if precision not in available:
        raise ValueError(f"precision={precision!r} is not to be had in {where}, which has "
                         f"{', '.join(repr(one) for one in available)} ('auto' is {available[0]!r}): {REMEDIES[precision]}.")
    return precision


def torch_precisions(device: torch.device) -> Tuple[str, ...]:
    """What PyTorch computes on ``device`` without emulation, the default first.

    On a GPU with tensor cores that is float16: its rounding moves joints less than that of bfloat16 (docs/performance.md).
    """
    if device.type == 'cuda':
        capability = torch.cuda.get_device_capability(device)
        half = ('float16', 'bfloat16') if capability >= (8, 0) else ('float16', )
        return (*half[:1], 'float32', *half[1:]) if capability >= (7, 0) else ('float32', 'float16')
    if device.type == 'cpu':
        return ('float32', 'bfloat16') if set(BFLOAT16_FEATURES) & set(cpu_features()) else ('float32', )
    return ('float32', 'float16')


def openvino_precisions(capabilities: Sequence[str], of_file: str) -> Tuple[str, ...]:
    """What OpenVINO computes a file in, by what it says of the device (``OPTIMIZATION_CAPABILITIES``), the default first."""
    if of_file == 'int8':
        return ('int8', )
    half = (('bfloat16', 'BF16'), ('float16', 'FP16'))
    return ('float32', *(name for name, capability in half if capability in capabilities))


def onnxruntime_precisions(on_gpu: bool, of_file: str) -> Tuple[str, ...]:
    """What ONNX Runtime computes a file in: what the file says, but on a CPU float16 as float32."""
    return ('float32', ) if of_file == 'float16' and not on_gpu else (of_file, )

"""One way to run a pose model on crops, whatever computes it."""
import tempfile
from pathlib import Path
from typing import Optional, Union

import torch
from torch import nn

from ..files import given_path
from .base import PoseRuntime
from .export import export_onnx
from .file_runtimes import PROVIDERS, OnnxRuntime, OpenVINORuntime
from .gpu_runtime import GpuRuntime
from .metadata import check_choice, require
from .torch_runtime import TorchRuntime

RUNTIMES = ('torch', 'onnxruntime', 'openvino')
Source = Union[nn.Module, str, Path]


def default_device(runtime: str = 'torch') -> str:
    """'cuda' if there is a GPU that the runtime can use, else 'cpu'."""
    check_choice('runtime', runtime, RUNTIMES)
    if runtime == 'openvino' or not torch.cuda.is_available():
        return 'cpu'
    if runtime == 'onnxruntime':
        available = require('onnxruntime', "runtime='onnxruntime'").get_available_providers()
        return 'cuda' if PROVIDERS['cuda'] in available else 'cpu'
    return 'cuda'


def check_torch_device(device: Union[str, int]) -> None:
    """Refuse a device that PyTorch does not have.

    Raises:
        ValueError: naming it, and what there is.
    """
    try:
        kind = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device={device!r} is not known. Give 'cpu', 'cuda', or 'cuda:1' for the second GPU.") from error
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if kind.type == 'cuda' and (kind.index or 0) >= count:
        less = f"'cuda:{count - 1}' or less, or " if count else ''
        raise ValueError(f"device={device!r} is not there: PyTorch {torch.__version__} sees {count} GPUs. Give {less}'cpu'.")
    if kind.type == 'mps' and not torch.backends.mps.is_available():
        raise ValueError(f"device={device!r} is not there: PyTorch {torch.__version__} has no Metal here. Give 'cpu'.")


def load_runtime(source: Source,
                 runtime: str = 'torch',
                 *,
                 device: str = 'cpu',
                 threads: Optional[int] = None,
                 flip_test: Optional[bool] = None,
                 outputs: str = 'joints',
                 precision: str = 'auto',
                 max_batch: int = 8,
                 fused: bool = True) -> PoseRuntime:
    """Make a pose model ready to run.

    Args:
        source (nn.Module | str | Path): A pose estimator, as ``mmpose.apis.init_model`` makes it, or a file of
            :func:`export_onnx` or :func:`quantize`. For 'onnxruntime' and 'openvino' a pose estimator is exported first.
        runtime (str): 'torch' (takes a pose estimator alone), 'onnxruntime' or 'openvino'. Defaults to 'torch'.
        device (str): 'cpu', 'cuda', ... as the runtime calls it. Defaults to 'cpu'.
        threads (int, optional): Threads of 'onnxruntime' and 'openvino'; PyTorch has ``torch.set_num_threads``. Defaults to
            all cores.
        flip_test (bool, optional): Average in the heatmaps of the mirrored crop. Of a file it is fixed. Defaults to no.
        outputs (str): 'joints', 'heatmaps' or 'both'. Of a file it is fixed. Defaults to 'joints'.
        precision (str): What to compute in: 'float32', 'bfloat16', 'float16', 'int8' (files that hold it), or 'auto', which is
            float32 on a CPU, float16 on a GPU with tensor cores, and int8 for a file of that. Defaults to 'auto'.
        max_batch (int): Crops that are computed at once; more come in several batches. Defaults to 8.
        fused (bool): For 'torch': compute the form of :func:`fuse`. Exported files always have it. Defaults to True.

    Raises:
        ImportError: if the runtime's package is missing.
        FileNotFoundError: if the file does not exist.
        TypeError, ValueError: if an argument is outside what is said above, the file is none of :func:`export_onnx`, or device
            or runtime cannot do what ``precision`` asks for; the message says what they can.
    """
    check_choice('runtime', runtime, RUNTIMES)
    if runtime == 'torch':
        if not isinstance(source, nn.Module):
            raise TypeError(f"source={str(source)!r} is a file, which runtime='torch' does not read. Give the pose estimator, "
                            "or runtime='onnxruntime' or 'openvino'.")
        if threads is not None:
            raise ValueError(f"threads={threads} is for 'onnxruntime' and 'openvino'. PyTorch's threads are those of the whole "
                             'process: torch.set_num_threads.')
        make_torch = GpuRuntime if torch.device(device).type == 'cuda' else TorchRuntime
        return make_torch(source, device, precision, outputs, bool(flip_test), max_batch, fused)
    make = OnnxRuntime if runtime == 'onnxruntime' else OpenVINORuntime
    if isinstance(source, nn.Module):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / 'model.onnx'
            half = precision == 'float16' and runtime == 'onnxruntime'  # OpenVINO computes a float32 file in it
            export_onnx(source, path, outputs=outputs, flip_test=bool(flip_test), precision='float16' if half else 'float32')
            return make(path, device, precision, threads, max_batch)
    path = given_path('source', source)
    if not path.is_file():
        raise FileNotFoundError(f'source={str(source)!r} does not exist. rsn_mm.deploy.export_onnx writes such a file.')
    loaded = make(path, device, precision, threads, max_batch)
    if flip_test is not None and flip_test != loaded.metadata.flip_test:
        raise ValueError(f'flip_test={flip_test}, but {path} has flip_test={loaded.metadata.flip_test} inside. Export it '
                         'again, or leave flip_test out.')
    return loaded

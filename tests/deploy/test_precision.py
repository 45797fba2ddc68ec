"""What each device and runtime computes in, and what 'auto' stands for."""
from pathlib import Path
from typing import Any, List

import numpy as np
import onnx
import openvino
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.cpu import FEATURES, cpu_features
from rsn_mm.deploy import default_device, export_onnx, load_runtime, precision
from rsn_mm.deploy.graph import PoseGraph

from .conftest import make_model


@pytest.fixture
def bfloat16_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU that says it has bfloat16; it is emulated here."""
    monkeypatch.setattr(precision, 'cpu_features', lambda: ('avx512_bf16', ))


@pytest.fixture
def plain_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, 'cpu_features', lambda: ('avx2', 'avx512f'))


@pytest.fixture(scope='module')
def half_file(model: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('half') / 'half.onnx'
    assert export_onnx(model, path, outputs='both', precision='float16').precision == 'float16'
    return path


@pytest.mark.parametrize('capability, expected', [
    ((9, 0), ('float16', 'float32', 'bfloat16')), ((7, 5), ('float16', 'float32')), ((6, 1), ('float32', 'float16'))])
def test_a_gpu(monkeypatch: pytest.MonkeyPatch, capability: tuple, expected: tuple) -> None:
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: capability)
    assert precision.torch_precisions(torch.device('cuda:1')) == expected


def test_a_cpu_without_bfloat16(model: nn.Module, exported: Path, quantized: Path, plain_cpu: None) -> None:
    assert load_runtime(model).precision == load_runtime(model, precision='auto').precision == 'float32'
    for name in ('bfloat16', 'float16', 'int8'):
        with pytest.raises(ValueError, match=f"precision='{name}' is not to be had in PyTorch on cpu, which.*: {name} is"):
            load_runtime(model, precision=name)
    with pytest.raises(ValueError, match="precision='half' is not known: give one of 'auto', 'float32', 'bfloat16', 'float16'"):
        load_runtime(model, precision='half')
    assert load_runtime(exported, 'onnxruntime').precision == 'float32'
    assert load_runtime(quantized, 'onnxruntime').precision == load_runtime(quantized, 'openvino').precision == 'int8'
    with pytest.raises(ValueError, match="'bfloat16' is not to be had in ONNX Runtime on cpu for .*AVX512_BF16 or AMX"):
        load_runtime(exported, 'onnxruntime', precision='bfloat16')
    with pytest.raises(ValueError, match="precision='float32' is not to be had in OpenVINO on this cpu for .*which has 'int8'"):
        load_runtime(quantized, 'openvino', precision='float32')


def test_openvino_says_what_the_cpu_has(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused where there is no bfloat16, and asked for where there is; never taken unasked."""
    hints: List[str] = []

    class Core:
        """OpenVINO's, of a machine with other capabilities."""
        capabilities = ['FP32', 'INT8']

        def __init__(self) -> None:
            self._core = CORE()

        def __getattr__(self, name: str) -> Any:
            return getattr(self._core, name)

        def get_property(self, device: str, name: str) -> List[str]:
            return self.capabilities

        def compile_model(self, model: Any, device: str, options: dict) -> Any:
            hints.append(options['INFERENCE_PRECISION_HINT'])
            return self._core.compile_model(model, device, dict(options, INFERENCE_PRECISION_HINT='f32'))

    CORE = openvino.Core
    monkeypatch.setattr(openvino, 'Core', Core)
    with pytest.raises(ValueError, match="'bfloat16' is not to be had in OpenVINO on this cpu for .*which has 'float32' "):
        load_runtime(exported, 'openvino', precision='bfloat16')
    Core.capabilities = ['FP32', 'INT8', 'BF16']
    for name in ('auto', 'bfloat16'):
        assert load_runtime(exported, 'openvino', precision=name).precision == dict(auto='float32').get(name, name)
    assert hints == ['f32', 'bf16']


@pytest.mark.parametrize('fused', [True, False])
@pytest.mark.parametrize('prm', [None, 'features', 'heatmaps'])
def test_half_precision_changes_the_network_alone(crops: np.ndarray, bfloat16_cpu: None, fused: bool, prm: str) -> None:
    model = make_model(prm=prm)
    half = load_runtime(model, outputs='both', precision='bfloat16', fused=fused)
    expected = load_runtime(model, outputs='both', fused=False).heatmaps(crops)
    maps = half.heatmaps(crops)
    assert half.precision == half.metadata.precision == 'bfloat16'
    assert maps.dtype == half(crops).keypoints.dtype == np.float32
    assert 1e-5 < np.abs(maps - expected).max() / np.abs(expected).max() < 0.1
    assert not np.array_equal(maps, torch.from_numpy(maps).bfloat16().float().numpy()), 'the last maps were rounded'


def test_weights_are_cast_once(model: nn.Module, crops: np.ndarray, bfloat16_cpu: None) -> None:
    """Autocast would cast every weight in every call: 225 casts for RSN-18."""

    class Casts(TorchDispatchMode):
        count = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.count += func is torch.ops.aten._to_copy.default
            return func(*args, **(kwargs or {}))

    runtime = load_runtime(model, precision='bfloat16')
    with Casts() as casts:
        runtime(crops)
    assert casts.count <= 4  # uint8 to float32, to half, to the last convolution, and none of its float32 maps


def test_normalisation_leaves_channels_last(model: nn.Module, crops: np.ndarray) -> None:
    graph, layouts = PoseGraph(model), []
    graph.backbone.register_forward_pre_hook(
        lambda module, inputs: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last)))
    graph(torch.from_numpy(crops))
    assert layouts == [True]


def test_a_float16_file(half_file: Path, exported: Path, crops: np.ndarray) -> None:
    weights = [tensor for tensor in onnx.load(half_file).graph.initializer if len(tensor.dims) == 4]
    kinds = [tensor.data_type for tensor in weights]
    assert len(kinds) > 10 and kinds.count(onnx.TensorProto.FLOAT16) == len(kinds) - 1, 'all but the last convolution'
    expected = load_runtime(exported, 'onnxruntime').heatmaps(crops)
    for name in ('onnxruntime', 'openvino'):
        runtime = load_runtime(half_file, name)
        assert (runtime.precision, runtime.metadata.precision) == ('float32', 'float16')  # what a CPU makes of it
        assert np.abs(runtime.heatmaps(crops) - expected).max() < 0.01 * np.abs(expected).max()


def test_default_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU is the default of those alone that can use it."""
    import onnxruntime
    names = ('torch', 'onnxruntime', 'openvino')
    assert [default_device(name) for name in names] == ['cpu'] * 3
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    assert [default_device(name) for name in names] == ['cuda', 'cpu', 'cpu']
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    assert [default_device(name) for name in names] == ['cuda', 'cuda', 'cpu']
    with pytest.raises(ValueError, match="runtime='tensorrt'"):
        default_device('tensorrt')


@pytest.mark.parametrize('device, index', [('cuda', 0), ('cuda:0', 0), ('cuda:1', 1)])
def test_onnxruntime_on_a_gpu(exported: Path, monkeypatch: pytest.MonkeyPatch, device: str, index: int) -> None:
    """The GPU that is named is taken, without a search for each number of crops; that it is really used is checked."""
    import onnxruntime
    asked: List[Any] = []
    session = onnxruntime.InferenceSession

    class Session:

        def __init__(self, path: str, options: Any, providers: List[Any]) -> None:
            asked.extend(providers)
            self._session = session(path, options, providers=['CPUExecutionProvider'])  # as where CUDA does not load

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

    monkeypatch.setattr(onnxruntime, 'InferenceSession', Session)
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: ['CUDAExecutionProvider', 'CPUExecutionProvider'])
    with pytest.raises(ValueError, match=f"device='{device}': ONNX Runtime has CUDAExecutionProvider, but cannot load it"):
        load_runtime(exported, 'onnxruntime', device=device)
    assert asked == [('CUDAExecutionProvider', dict(device_id=index, cudnn_conv_algo_search='HEURISTIC'))]
    monkeypatch.setattr(Session, 'get_providers', lambda self: ['CUDAExecutionProvider', 'CPUExecutionProvider'], raising=False)
    assert load_runtime(exported, 'onnxruntime', device=device).precision == 'float32'


@pytest.mark.parametrize('device', ['cuda', 'cuda:x', 'cuda:', 'cpu:', 'gpu', ''])
def test_devices_that_onnxruntime_lacks(exported: Path, device: str) -> None:
    with pytest.raises(ValueError, match=f"device='{device}' is not to be had in this ONNX Runtime"):
        load_runtime(exported, 'onnxruntime', device=device)


def test_cpu_features() -> None:
    assert set(cpu_features()) <= set(FEATURES)

"""int8 files: the network in int8, the decoder not, near the float32 file."""
from pathlib import Path

import numpy as np
import onnx
import pytest

from rsn_mm.deploy import load_runtime, quantize


@pytest.mark.parametrize('name', ['onnxruntime', 'openvino'])
def test_heatmaps_stay_near(exported: Path, quantized: Path, crops: np.ndarray, name: str) -> None:
    runtime = load_runtime(quantized, name, threads=1)
    expected = load_runtime(exported, name, threads=1).heatmaps(crops)
    difference = np.abs(runtime.heatmaps(crops) - expected).max() / np.abs(expected).max()
    assert runtime.metadata.precision == 'int8'
    assert 1e-4 < difference < 0.15  # 0.05 in this network of random weights


def test_every_convolution_is_int8_and_the_decoder_is_not(quantized: Path) -> None:
    graph = onnx.load(quantized).graph
    made_by = {output: node for node in graph.node for output in node.output}
    convolutions = [node for node in graph.node if node.op_type == 'Conv']
    assert convolutions
    for node in convolutions:
        assert all(made_by[name].op_type == 'DequantizeLinear' for name in node.input if name in made_by)
    peaks = [node for node in graph.node if node.op_type == 'ArgMax']
    assert peaks and all(made_by[node.input[0]].op_type != 'DequantizeLinear' for node in peaks)


def test_the_file_is_smaller(exported: Path, quantized: Path) -> None:
    def weights(path: Path) -> int:
        return sum(len(tensor.raw_data) for tensor in onnx.load(path).graph.initializer)

    assert weights(quantized) < 0.6 * weights(exported)


def test_errors(exported: Path, quantized: Path, crops: np.ndarray, tmp_path: Path) -> None:
    out = tmp_path / 'int8.onnx'
    with pytest.raises(ValueError, match='calibration_images is empty'):
        quantize(exported, out, [])
    with pytest.raises(ValueError, match=r'calibration_images\[1\] has shape \(48, 64, 3\); \(64, 48, 3\)'):
        quantize(exported, out, [crops[0], crops[0].transpose(1, 0, 2)])
    with pytest.raises(TypeError, match=r'calibration_images\[0\] is float32'):
        quantize(exported, out, [crops[0].astype(np.float32)])
    with pytest.raises(ValueError, match='is int8 already'):
        quantize(quantized, out, crops)
    with pytest.raises(FileNotFoundError, match='does not exist'):
        quantize(tmp_path / 'none.onnx', out, crops)
    with pytest.raises(FileNotFoundError, match='The folder of'):
        quantize(exported, tmp_path / 'none' / 'int8.onnx', crops)
    assert not list(tmp_path.iterdir())

"""The three runtimes give the same joints, in batches of any size, and say clearly what they do not take."""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from torch import nn

from rsn_mm.deploy import PoseRuntime, load_runtime
from rsn_mm.deploy import metadata as metadata_module

from .conftest import FLIP_INDICES, INPUT_SIZE, make_model

FILE_RUNTIMES = ('onnxruntime', 'openvino')


@pytest.fixture(scope='module')
def unfused(model: nn.Module) -> PoseRuntime:
    return load_runtime(model, outputs='both', fused=False)


@pytest.fixture(scope='module', params=['torch', *FILE_RUNTIMES])
def runtime(request: pytest.FixtureRequest, model: nn.Module, exported: Path) -> PoseRuntime:
    if request.param == 'torch':
        return load_runtime(model, outputs='both', max_batch=3)
    return load_runtime(exported, request.param, threads=1, max_batch=3)


def test_joints_and_heatmaps_agree(runtime: PoseRuntime, unfused: PoseRuntime, crops: np.ndarray) -> None:
    joints, expected = runtime(crops), unfused(crops)
    maps, expected_maps = runtime.heatmaps(crops), unfused.heatmaps(crops)
    assert np.abs(maps - expected_maps).max() < 1e-5 * np.abs(expected_maps).max()
    np.testing.assert_allclose(joints.keypoints, expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(joints.scores, expected.scores, atol=1e-4)
    assert joints.keypoints.dtype == joints.scores.dtype == maps.dtype == np.float32


def test_a_batch_is_its_crops(runtime: PoseRuntime, crops: np.ndarray) -> None:
    whole = runtime(crops)
    for i in (0, 6):
        alone = runtime(crops[i:i + 1])
        np.testing.assert_allclose(alone.keypoints[0], whole.keypoints[i], atol=1e-3)


def test_results_are_not_overwritten_by_the_next_call(runtime: PoseRuntime, crops: np.ndarray) -> None:
    first = runtime(crops)
    before = first.keypoints.copy()
    runtime(crops[::-1])
    np.testing.assert_array_equal(first.keypoints, before)


def test_threads_may_share_it(runtime: PoseRuntime, crops: np.ndarray) -> None:
    expected = runtime(crops).keypoints
    with ThreadPoolExecutor(4) as pool:
        for joints in pool.map(runtime, [crops] * 8):
            np.testing.assert_allclose(joints.keypoints, expected, atol=1e-3)


def test_no_crops_give_no_joints(runtime: PoseRuntime) -> None:
    width, height = INPUT_SIZE
    joints = runtime(np.empty((0, height, width, 3), np.uint8))
    assert joints.keypoints.shape == (0, 5, 2) and joints.scores.shape == (0, 5)
    assert runtime.heatmaps(np.empty((0, height, width, 3), np.uint8)).shape == (0, 5, 16, 12)


def test_attributes(runtime: PoseRuntime) -> None:
    assert runtime.input_size == INPUT_SIZE and runtime.num_keypoints == 5
    assert runtime.metadata.flip_indices == FLIP_INDICES


def test_views_are_taken(runtime: PoseRuntime, crops: np.ndarray) -> None:
    view = crops[:, :, ::-1]
    np.testing.assert_array_equal(runtime(view).keypoints, runtime(view.copy()).keypoints)


@pytest.mark.parametrize('images, error, message', [
    (np.zeros((1, 64, 48, 3), np.float32), TypeError, 'images is float32; a uint8 array'),
    ([1], TypeError, 'images is list; a uint8 array'),
    (np.zeros((1, 48, 64, 3), np.uint8), ValueError, r'shape \(1, 48, 64, 3\); \(N, 64, 48, 3\) is expected'),
    (np.zeros((64, 48, 3), np.uint8), ValueError, r'\(N, 64, 48, 3\) is expected'),
])
def test_other_images_are_refused(runtime: PoseRuntime, images: Any, error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        runtime(images)


@pytest.mark.parametrize('name', FILE_RUNTIMES)
def test_flip_test(model: nn.Module, exported_with_flip_test: Path, crops: np.ndarray, name: str) -> None:
    expected = load_runtime(model, flip_test=True, outputs='both').heatmaps(crops)
    maps = load_runtime(exported_with_flip_test, name, flip_test=True).heatmaps(crops)
    assert np.abs(maps - expected).max() < 1e-5 * np.abs(expected).max()
    with pytest.raises(ValueError, match='flip_test=False, but .* has flip_test=True inside'):
        load_runtime(exported_with_flip_test, name, flip_test=False)


@pytest.mark.parametrize('name', FILE_RUNTIMES)
def test_other_files_are_refused(exported: Path, tmp_path: Path, name: str) -> None:
    garbage, foreign = tmp_path / 'garbage.onnx', tmp_path / 'foreign.onnx'
    garbage.write_bytes(b'no model')
    with pytest.raises(ValueError, match='garbage.onnx is no model that'):
        load_runtime(garbage, name)
    with pytest.raises(FileNotFoundError, match='does not exist. rsn_mm.deploy.export_onnx writes'):
        load_runtime(tmp_path / 'none.onnx', name)
    proto = onnx.load(exported)
    del proto.metadata_props[:]
    onnx.save(proto, foreign)
    with pytest.raises(ValueError, match='carries no metadata of rsn_mm'):
        load_runtime(foreign, name)
    with pytest.raises(ValueError, match="device='tpu' is not to be had"):
        load_runtime(exported, name, device='tpu')


def test_files_of_a_later_version_are_refused(exported: Path) -> None:
    properties = {metadata_module.METADATA_KEY: '{"input_size": [1, 1], "later": 1, "version": "9.0"}'}
    with pytest.raises(ValueError, match=r"written by rsn_mm 9.0 and says \['later'\]"):
        metadata_module.PoseMetadata.from_properties(properties, 'file')


@pytest.mark.parametrize('name', FILE_RUNTIMES)
def test_a_missing_package_is_named(exported: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(__import__('sys').modules, name, None)
    with pytest.raises(ImportError, match=rf"needs {name}, .*pip install 'rsn_mm\[deploy\]'"):
        load_runtime(exported, name)


def test_arguments_that_do_not_fit(model: nn.Module, exported: Path, crops: np.ndarray) -> None:
    with pytest.raises(ValueError, match="runtime='tensorrt' is not known: give one of 'torch', 'onnxruntime', 'openvino'"):
        load_runtime(exported, 'tensorrt')
    with pytest.raises(TypeError, match="which runtime='torch' does not read"):
        load_runtime(exported)
    with pytest.raises(ValueError, match="threads=2 is for 'onnxruntime' and 'openvino'"):
        load_runtime(model, threads=2)
    with pytest.raises(ValueError, match='max_batch=0 must be at least 1'):
        load_runtime(model, max_batch=0)
    with pytest.raises(ValueError, match='The model gives no heatmaps'):
        load_runtime(model).heatmaps(crops)
    with pytest.raises(ValueError, match='UDPHeatmap.*have joints'):
        load_runtime(make_model('UDPHeatmap', sigma=2), outputs='heatmaps')(crops)

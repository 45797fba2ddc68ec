"""Exported files: what is in them, that they compute what MMPose computes, and what is refused."""
from pathlib import Path
from typing import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.structures import PoseDataSample
from torch import nn

from rsn_mm import registry
from rsn_mm.deploy import PoseMetadata, export_onnx, fuse
from rsn_mm.deploy.graph import PoseGraph

from .conftest import FLIP_INDICES, INPUT_SIZE, make_model, settled

WIDE_CONFIGS = sorted((Path(__file__).parents[2] / 'configs').glob('*_wide_*.py'))


def reference_heatmaps(model: nn.Module, images: np.ndarray) -> torch.Tensor:
    """By MMPose's own data preprocessor and the model as it was trained."""
    inputs = [torch.from_numpy(image).permute(2, 0, 1) for image in images]
    samples = [PoseDataSample() for _ in images]
    with torch.inference_mode():
        batch = model.data_preprocessor(dict(inputs=inputs, data_samples=samples))['inputs']
        return model.head.forward_last(model.backbone(batch))


def run(path: Path, images: np.ndarray) -> list:
    return onnxruntime.InferenceSession(str(path)).run(None, dict(images=images))


@pytest.mark.parametrize('count', [1, 7])
def test_the_file_gives_what_mmpose_gives(model: nn.Module, exported: Path, crops: np.ndarray, count: int) -> None:
    keypoints, scores, heatmaps = run(exported, crops[:count])
    expected = reference_heatmaps(model, crops[:count]).numpy()
    assert np.abs(heatmaps - expected).max() < 1e-5 * np.abs(expected).max()
    for i in range(count):
        decoded, decoded_scores = model.head.decoder.decode(expected[i])
        np.testing.assert_allclose(keypoints[i], decoded[0], atol=1e-3)
        np.testing.assert_allclose(scores[i], decoded_scores[0], atol=1e-4)


def test_flip_test_is_mmposes(model: nn.Module, exported_with_flip_test: Path, crops: np.ndarray) -> None:
    heatmaps = run(exported_with_flip_test, crops)[2]
    mirrored = reference_heatmaps(model, crops[:, :, ::-1].copy())
    mirrored = flip_heatmaps(mirrored, flip_mode='heatmap', flip_indices=FLIP_INDICES, shift_heatmap=False)
    expected = ((reference_heatmaps(model, crops) + mirrored) / 2).numpy()
    assert np.abs(heatmaps - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_decoder_in_the_graph_knows_empty_and_border_maps(model: nn.Module) -> None:
    """What a trained network may give: nothing, or a peak at the border."""
    graph = PoseGraph(model)
    width, height = model.head.decoder.heatmap_size
    maps = torch.zeros(1, 5, height, width)
    maps[0, 1, 0, 0] = maps[0, 2, -1, -1] = 255.
    keypoints, scores = graph.codec.decode_tensor(maps)
    np.testing.assert_allclose(keypoints[0, :3], [[2, 2], [2, 2], [INPUT_SIZE[0] - 2, INPUT_SIZE[1] - 2]], atol=1.0)
    np.testing.assert_allclose(scores[0, :3], [0.5, 1.5, 1.5])


def test_metadata(exported: Path, exported_with_flip_test: Path) -> None:
    def read(path: Path) -> PoseMetadata:
        return PoseMetadata.from_properties({p.key: p.value for p in onnx.load(path).metadata_props}, 'file')

    metadata = read(exported)
    assert metadata.input_size == INPUT_SIZE and metadata.heatmap_size == (12, 16)
    assert metadata.num_keypoints == 5 and metadata.dataset_name == 'five'
    assert metadata.keypoint_names == ('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear')
    assert metadata.skeleton == ((0, 1), (0, 2)) and metadata.flip_indices == FLIP_INDICES
    assert metadata.outputs == ('keypoints', 'scores', 'heatmaps') and metadata.codec == 'QuarterOffsetHeatmap'
    assert metadata.precision == 'float32' and not metadata.flip_test
    assert read(exported_with_flip_test).flip_test


def test_batch_is_free_and_norms_are_folded(exported: Path) -> None:
    graph = onnx.load(exported).graph
    batch, *size = graph.input[0].type.tensor_type.shape.dim
    assert batch.dim_param and [dim.dim_value for dim in size] == [64, 48, 3]
    assert not any('BatchNorm' in node.op_type for node in graph.node)
    assert all(node.domain in ('', 'ai.onnx') for node in graph.node)


def shrunk(config: Path, most_stages: int = 4, num_branches: int = 4) -> Config:
    """A config's model with two levels of one block and narrow channels, for small crops; PRM, joints and all else stay."""
    cfg = Config.fromfile(config).model
    num_stages = min(cfg.backbone.num_stages, most_stages)
    cfg.backbone.update(num_blocks=[1, 1], stem_channels=8, unit_channels=16, num_stages=num_stages, num_branches=num_branches)
    cfg.backbone.pop('depth')
    cfg.head.update(num_units=2, in_channels=16, encoder=None, num_stages=num_stages)
    cfg.head.decoder.update(input_size=INPUT_SIZE, heatmap_size=tuple(side // 4 for side in INPUT_SIZE))
    return cfg


def built(cfg: Config) -> nn.Module:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('rsn_mm'):
        return settled(registry.MODELS.build(cfg))


@pytest.mark.parametrize('config', WIDE_CONFIGS, ids=lambda path: path.stem)
def test_wide_configs_are_fused(config: Path, crops: np.ndarray) -> None:
    model = built(shrunk(config))
    assert model.backbone.body.stages[0].down.levels[0][0].exit.conv.out_channels == 4 * 8
    expected, fused = (reference_heatmaps(net, crops[:2]) for net in (model, fuse(model)))
    assert (fused - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.fixture(scope='module')
def export_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[nn.Module, str], Path]:
    """An export takes seconds, and some configs have the same layers, with the same weights here."""
    folder, known = tmp_path_factory.mktemp('wide'), {}

    def export(model: nn.Module, outputs: str) -> Path:
        path = known.setdefault((str(model), outputs), folder / f'{len(known)}.onnx')
        if not path.exists():
            export_onnx(model, path, outputs=outputs)
        return path

    return export


# Backwards, so that of those with PRM the one with checkpointing is exported.
@pytest.mark.parametrize('config', WIDE_CONFIGS[::-1], ids=lambda path: path.stem)
def test_wide_configs_are_exported(config: Path, crops: np.ndarray, export_once: Callable[[nn.Module, str], Path]) -> None:
    """Two branches and, but for those with PRM, one stage: each takes seconds. With PRM the joints, too."""
    prm = '_prm_' in config.stem
    model = built(shrunk(config, most_stages=2 if prm else 1, num_branches=2))
    expected = reference_heatmaps(model, crops[:2]).numpy()
    *joints, heatmaps = run(export_once(model, 'both' if prm else 'heatmaps'), crops[:2])
    assert np.abs(heatmaps - expected).max() < 1e-5 * np.abs(expected).max()
    if prm:
        np.testing.assert_allclose(joints[0], [model.head.decoder.decode(maps)[0][0] for maps in expected], atol=1e-3)


def test_the_model_stays_as_it_was(model: nn.Module, exported: Path) -> None:
    fresh = make_model()
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), fresh.state_dict().values()))


def test_joints_of_codecs_in_numpy_are_refused() -> None:
    udp = make_model('UDPHeatmap', sigma=2)
    with pytest.raises(ValueError, match=r"UDPHeatmap decodes in NumPy.*outputs='heatmaps'"):
        PoseGraph(udp, 'joints')
    maps, = PoseGraph(udp, 'heatmaps')(torch.zeros(1, 64, 48, 3, dtype=torch.uint8))
    assert maps.shape == (1, 5, 16, 12)


def test_metadata_hold_the_growth_of_boxes() -> None:
    model = make_model()
    assert PoseMetadata.from_model(model, ('keypoints', ), False).padding == ()
    for step, expected in ((dict(padding=(1.09, 1.135)), (1.09, 1.135)), (dict(padding=1.5), (1.5, 1.5)), ({}, (1.25, 1.25))):
        pipeline = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale', **step)]
        model.cfg = Config(dict(test_dataloader=dict(dataset=dict(pipeline=pipeline))))
        metadata = PoseMetadata.from_model(model, ('keypoints', ), False)
        assert metadata.padding == expected
        assert PoseMetadata.from_properties(metadata.to_properties(), 'a file') == metadata


def test_errors(model: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / 'model.onnx'
    with pytest.raises(TypeError, match='model is a Linear; a TopdownPoseEstimator'):
        export_onnx(nn.Linear(1, 1), path)
    with pytest.raises(ValueError, match="outputs='joint' is not known: give one of 'joints'"):
        export_onnx(model, path, outputs='joint')
    with pytest.raises(ValueError, match='opset=11 is below 18'):
        export_onnx(model, path, opset=11)
    with pytest.raises(FileNotFoundError, match='The folder of'):
        export_onnx(model, tmp_path / 'none' / 'model.onnx')
    nameless = make_model()
    nameless.dataset_meta = {}
    with pytest.raises(ValueError, match='flip_test=True needs the flip indices of all 5 joints'):
        export_onnx(nameless, path, flip_test=True)
    nameless.head.decoder = None
    with pytest.raises(ValueError, match='has no decoder'):
        export_onnx(nameless, path)
    assert not list(tmp_path.iterdir())

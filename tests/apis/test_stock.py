"""Estimators of MMPose in PoseInferencer, and our estimators in MMPose's top-down demo."""
from pathlib import Path
from typing import Any, List

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmpose.apis import inference_topdown, init_model
from mmpose.evaluation.functional import nms
from mmpose.registry import VISUALIZERS
from mmpose.structures import merge_data_samples

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.configs import find_model, model_names
from rsn_mm.apis.pose_models import MMPoseRuntime, load_pose_model

BOXES = np.array([[10, 5, 80, 110], [60.5, 20.25, 120, 100]], np.float32)


@pytest.mark.parametrize('codec, flip_test', [(dict(type='UDPHeatmap', sigma=2), True),
                                              (dict(type='MSRAHeatmap', sigma=1, unbiased=True), False)])
def test_codecs_of_mmpose(tiny, pictures: List[np.ndarray], tmp_path: Path, codec: dict, flip_test: bool) -> None:
    config = Config.fromfile(tiny.config)
    config.model.head.decoder = dict(codec, input_size=(48, 64), heatmap_size=(12, 16))
    config.test_dataloader.dataset.pipeline[2].use_udp = codec['type'] == 'UDPHeatmap'
    config.dump(tmp_path / 'codec.py')
    inferencer = PoseInferencer(str(tmp_path / 'codec.py'), tiny.weights, device='cpu', flip_test=flip_test, batch_size=1)
    assert isinstance(inferencer.model.runtime, MMPoseRuntime) and inferencer.model.score_threshold == 0.3
    result, = inferencer(pictures[0], boxes=BOXES)

    model = init_model(str(tmp_path / 'codec.py'), tiny.weights, device='cpu')
    model.test_cfg['flip_test'] = flip_test
    samples = inference_topdown(model, pictures[0], BOXES)
    expected = np.concatenate([sample.pred_instances.keypoints for sample in samples])
    np.testing.assert_allclose(result.keypoints, expected, atol=0.01)


def test_a_head_of_mmpose_around_another(tiny, pictures: List[np.ndarray], tmp_path: Path) -> None:
    config = Config.fromfile(tiny.config)
    codec = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
    config.model.backbone = dict(type='RSNEncoder', num_blocks=[1], stem_channels=8, out_indices=(0, ))
    pose = dict(type='HeatmapHead', in_channels=8, out_channels=17, deconv_out_channels=None, decoder=codec)
    config.model.head = dict(type='VisPredictHead', pose_cfg=pose)
    config.dump(tmp_path / 'visible.py')
    result, = PoseInferencer(str(tmp_path / 'visible.py'), random_weights=True, device='cpu')(pictures[0], boxes=BOXES)
    assert result.keypoints.shape == (2, 17, 2)


def test_a_batch_that_does_not_fit_is_halved(tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    config = Config.fromfile(tiny.config)
    config.model.head.decoder = dict(type='MSRAHeatmap', input_size=(48, 64), heatmap_size=(12, 16), sigma=1)
    config.dump(tmp_path / 'codec.py')
    runtime = load_pose_model(str(tmp_path / 'codec.py'), tiny.weights, device='cpu', batch_size=8).runtime
    assert isinstance(runtime, MMPoseRuntime)
    crops = np.random.default_rng(0).integers(0, 256, (11, 64, 48, 3), dtype=np.uint8)
    expected, predict, sizes, most = runtime(crops), runtime._predict, [], 3

    def limited(images: np.ndarray) -> Any:
        sizes.append(len(images))
        if len(images) > most:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return predict(images)

    monkeypatch.setattr(runtime, '_predict', limited)
    found = runtime(crops)
    np.testing.assert_allclose(found[0], expected[0], atol=1e-3)
    np.testing.assert_allclose(found[1], expected[1], rtol=1e-4)
    assert sizes == [8, 4, 2, 2, 2, 2, 2, 1] and 'memory for 8 persons at once: from now on it gets 4' in caplog.text
    most = 0
    with pytest.raises(torch.cuda.OutOfMemoryError):
        runtime(crops)


def test_models_are_found_by_name_and_alias() -> None:
    ours = find_model('rsn18_coco_256x192')
    assert Path(ours.config.filename).name == 'rsn18_coco_256x192.py' and 'td-hm_rsn18' in ours.weights
    assert find_model('rsn_mm::rsn18_coco_256x192.py').config.filename == ours.config.filename
    stock = find_model('mmpose::td-hm_rsn18_8xb32-210e_coco-256x192')
    assert stock.weights.startswith('https://') and stock.config.model.backbone.type == 'RSN'
    assert find_model('hand').weights.startswith('https://')
    assert '4xrsn50_prm_coco_256x192' in model_names() and 'coco_256x192' not in model_names()


def test_the_flow_of_mmposes_topdown_demo(tiny, tiny_detector: List[str], pictures: List[np.ndarray], tmp_path: Path) -> None:
    from mmdet.apis import inference_detector, init_detector
    detector = init_detector(*tiny_detector, device='cpu')
    pose = init_model(*tiny, device='cpu', cfg_options=dict(model=dict(test_cfg=dict(output_heatmaps=True))))
    visualizer = VISUALIZERS.build(dict(type='PoseLocalVisualizer', name='demo'))
    visualizer.set_dataset_meta(pose.dataset_meta, skeleton_style='mmpose')

    with DefaultScope.overwrite_default_scope('mmdet'):
        found = inference_detector(detector, pictures[0]).pred_instances.cpu().numpy()
    boxes = np.concatenate((found.bboxes, found.scores[:, None]), axis=1)[found.scores > 0.01]
    boxes = boxes[nms(boxes, 0.5), :4]
    samples = inference_topdown(pose, pictures[0], boxes)
    merged = merge_data_samples(samples)
    assert merged.pred_instances.keypoints.shape == (len(boxes), 17, 2)
    assert merged.pred_fields.heatmaps.shape == (17, *pictures[0].shape[:2])

    visualizer.add_datasample('demo', pictures[0][..., ::-1], data_sample=merged, draw_gt=False, draw_heatmap=True,
                              draw_bbox=True, kpt_thr=0.3, out_file=str(tmp_path / 'demo.jpg'))
    assert (tmp_path / 'demo.jpg').stat().st_size > 0 and torch.isfinite(torch.as_tensor(merged.pred_fields.heatmaps)).all()

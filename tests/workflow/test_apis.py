"""MMPose's own Python interfaces with our configs and checkpoints."""
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import MMPoseInferencer, inference_topdown, init_model

import rsn_mm  # noqa: F401  before mmpose.apis
from rsn_mm.registry import MODELS, VISUALIZERS
from rsn_mm.synthetic import PeopleDataset


@pytest.fixture
def checkpoint(tiny_config: Config, tmp_path: Path) -> Path:
    init_default_scope('rsn_mm')
    model = MODELS.build(tiny_config.model)
    model.init_weights()
    path = tmp_path / 'tiny.pth'
    torch.save(dict(meta={}, state_dict=model.state_dict()), path)
    return path


def test_init_model_and_inference_topdown(tiny_config: Config, checkpoint: Path, people: PeopleDataset) -> None:
    model = init_model(tiny_config, str(checkpoint), device='cpu')
    picture = sorted(people.val_images.glob('*.jpg'))[0]
    samples = inference_topdown(model, str(picture), np.array([[10, 10, 100, 200], [50, 20, 200, 220]], dtype=np.float32))
    assert [sample.pred_instances.keypoints.shape for sample in samples] == [(1, 17, 2)] * 2
    assert all(np.isfinite(sample.pred_instances.keypoint_scores).all() for sample in samples)


@pytest.mark.parametrize('backend', ['opencv', 'matplotlib'])
def test_drawing(tiny_config: Config, checkpoint: Path, people: PeopleDataset, tmp_path: Path, backend: str) -> None:
    model = init_model(tiny_config, str(checkpoint), device='cpu')
    picture = str(sorted(people.val_images.glob('*.jpg'))[0])
    sample = inference_topdown(model, picture)[0]
    visualizer = VISUALIZERS.build(dict(type='PoseLocalVisualizer', name=f'draw_{backend}', backend=backend))
    visualizer.set_dataset_meta(model.dataset_meta)
    image = cv2.imread(picture)
    # An untrained network puts its joints anywhere: put them into the picture.
    sample.pred_instances.keypoints = np.random.default_rng(0).uniform(20, 200, (1, 17, 2))
    visualizer.add_datasample('drawn', image, sample, draw_gt=False, kpt_thr=0., out_file=str(tmp_path / 'drawn.png'))
    drawn = cv2.imread(str(tmp_path / 'drawn.png'))
    assert drawn.shape == image.shape and (drawn[..., ::-1] != image).any(), 'nothing was drawn'


def test_mmpose_inferencer(tiny_config: Config, checkpoint: Path, people: PeopleDataset, tmp_path: Path) -> None:
    config = tmp_path / 'tiny.py'
    tiny_config.dump(config)
    inferencer = MMPoseInferencer(pose2d=str(config), pose2d_weights=str(checkpoint), det_model='whole_image', device='cpu')
    picture = str(sorted(people.val_images.glob('*.jpg'))[0])
    result = next(inferencer(picture, vis_out_dir=str(tmp_path / 'vis')))
    assert np.array(result['predictions'][0][0]['keypoints']).shape == (17, 2)
    assert list((tmp_path / 'vis').glob('*.jpg'))

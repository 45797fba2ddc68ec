"""The model whose weights are part of the package: found by name, small, without code, and good on real people."""
import importlib.util
import io
import json
import tarfile
from pathlib import Path
from typing import List, Tuple

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.configs import WEIGHTS, find_model, model_names, models_with_weights
from rsn_mm.apis.demo import PHOTO, draw_photo
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.checkpoints.files import read_weights

NAME = SHIPPED
LSPET = Path(__file__).parents[3] / 'shared' / 'data' / 'lspet'
PERSONS = 100


@pytest.fixture(scope='module')
def inferencer() -> PoseInferencer:
    return PoseInferencer(NAME, det='whole', device='cpu')


@pytest.mark.parametrize('name', [NAME, f'rsn_mm::{NAME}', f'{NAME}.py'])
def test_weights_are_found_by_the_name_of_the_config(name: str) -> None:
    assert find_model(name).weights == str(WEIGHTS / f'{NAME}.safetensors')


def test_only_configs_have_weights() -> None:
    assert models_with_weights() == [NAME] and set(models_with_weights()) <= set(model_names())


def test_other_weights_go_first(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nowhere.pth'):
        PoseInferencer(NAME, str(tmp_path / 'nowhere.pth'))


def test_who_has_no_weights_hears_of_them() -> None:
    with pytest.raises(ValueError, match=f'weights is missing.*rsn-mm models lists them; in this package: {NAME}'):
        PoseInferencer('rsn101')


def test_the_file_is_small_and_tells_nothing_of_the_training() -> None:
    path = WEIGHTS / f'{NAME}.safetensors'
    assert path.stat().st_size < 20e6
    state, meta = read_weights(str(path))
    assert set(meta) <= {'format'}
    assert all(tensor.dtype == torch.float16 for tensor in state.values() if tensor.dim() == 4)
    assert all(torch.isfinite(tensor).all() for tensor in state.values())


def test_joints_are_named_as_crowdpose_names_them(inferencer: PoseInferencer) -> None:
    result, = inferencer(np.zeros((64, 48, 3), np.uint8))
    assert result.keypoints.shape == (1, 14, 2)
    assert (result.keypoint_names[0], result.keypoint_names[11], result.keypoint_names[12]) == (
        'left_shoulder', 'right_ankle', 'top_head')


@pytest.mark.skipif(not LSPET.is_dir(), reason='Leeds Sports Pose Extended is not here')
def test_most_joints_of_real_people_are_found(inferencer: PoseInferencer) -> None:
    pictures, boxes, joints, labelled = people(PERSONS)
    found = np.concatenate([result.keypoints for result in inferencer(pictures, boxes=list(boxes[:, None]))])
    distance = np.linalg.norm(found - joints, axis=-1) / (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None]
    # The card says 0.804 of all 1,000 with flip test.
    assert (distance[labelled] < 0.2).mean() > 0.75
    assert (np.linalg.norm(found[::-1] - joints, axis=-1)[labelled] < 20).mean() < 0.3  # somebody else's pose is none of theirs


def people(count: int) -> Tuple[List[np.ndarray], np.ndarray, np.ndarray, np.ndarray]:
    """Pictures; boxes (N, 4) left, top, right, bottom; joints (N, 14, 2); which of them are labelled (N, 14)."""
    content = json.loads((LSPET / 'val.json').read_text())
    names = {image['id']: image['file_name'] for image in content['images']}
    chosen = content['annotations'][:count]
    with tarfile.open(LSPET / 'val_0.tar') as tar:
        pictures = [cv2.imdecode(np.frombuffer(tar.extractfile(f'images/{names[person["image_id"]]}').read(), np.uint8),
                                 cv2.IMREAD_COLOR) for person in chosen]
    boxes = np.array([person['bbox'] for person in chosen])
    boxes[:, 2:] += boxes[:, :2]
    joints = np.array([person['keypoints'] for person in chosen]).reshape(-1, 14, 3)
    return pictures, boxes, joints[..., :2], joints[..., 2] > 0


def test_the_pose_is_drawn_on_the_photo(tmp_path: Path) -> None:
    package = importlib.util.find_spec('skimage')
    if package is None:
        pytest.skip('scikit-image is not installed')
    drawn = np.asarray(Image.open(draw_photo(tmp_path / 'photo')).convert('RGB'), int)
    plain = np.asarray(Image.open(io.BytesIO(
        (Path(package.submodule_search_locations[0]) / 'data' / PHOTO).read_bytes())).convert('RGB'), int)
    assert drawn.shape == plain.shape and 1000 < (np.abs(drawn - plain).max(axis=2) > 40).sum() < 60000
    joints = json.loads((tmp_path / 'photo' / 'predictions.json').read_text())['annotations'][0]['keypoints']
    assert len(joints) == 14 * 3


def test_without_the_photo_the_demo_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None)
    assert draw_photo(tmp_path / 'photo') is None
    assert 'pip install scikit-image' in capsys.readouterr().out and not (tmp_path / 'photo').exists()

"""Configs of this package by name, in MMEngine's and MMPose's own interfaces, from any working directory."""
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hub import get_config, get_model
from mmengine.infer import BaseInferencer
from mmengine.runner import Runner
from torch.utils.data import Dataset

from rsn_mm.compat.named_configs import PREFIX
from rsn_mm.model_index import CONFIGS, WEIGHTS, config_path, weights_of

SMALL = 'rsn18_lsp_128x96'


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def inheriting(base: str, folder: Path) -> Config:
    (folder / 'own.py').write_text(f"_base_ = '{PREFIX}{base}'\nwork_dir = 'here'\n")
    return Config.fromfile('own.py')


def without_scope(value: Any) -> Any:
    """Without the notes that MMEngine makes in what comes from another package."""
    if isinstance(value, dict):
        return {key: without_scope(item) for key, item in value.items() if key != '_scope_'}
    return type(value)(map(without_scope, value)) if isinstance(value, (list, tuple)) else value


@pytest.mark.parametrize('base', ['rsn18_coco_256x192.py', 'rsn18_coco_256x192', '_base_/coco_256x192.py'])
def test_a_config_inherits_from_ours(base: str, elsewhere: Path) -> None:
    config, expected = inheriting(base, elsewhere), Config.fromfile(config_path(base))
    assert config.pop('work_dir') == 'here'
    assert without_scope(config.to_dict()) == expected.to_dict()


def test_an_inherited_config_loads_data(elsewhere: Path) -> None:
    """MMEngine's notes in it reach the collate function, too."""
    loader = inheriting('rsn18_coco_256x192.py', elsewhere).train_dataloader
    loader.update(dataset=_Two(), num_workers=0, persistent_workers=False, batch_size=2,
                  sampler=dict(type='DefaultSampler', shuffle=False))
    assert loader.collate_fn._scope_ == 'rsn_mm'
    batch, = Runner.build_dataloader(loader)
    assert batch['inputs'].shape == (2, 3, 4, 4)


class _Two(Dataset):

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> dict:
        return dict(inputs=torch.zeros(3, 4, 4, dtype=torch.uint8), data_samples=index)


def test_configs_of_other_packages_are_found_as_before(elsewhere: Path) -> None:
    (elsewhere / 'own.py').write_text("_base_ = 'mmpose::_base_/default_runtime.py'\n")
    assert Config.fromfile('own.py').default_scope == 'mmpose'


def test_a_wrong_name_lists_near_ones(elsewhere: Path) -> None:
    with pytest.raises(FileNotFoundError, match="'rsn_mm::rsn18_coco_256x19' names no config.* rsn_mm::rsn18_coco_256x192.py"):
        inheriting('rsn18_coco_256x19', elsewhere)
    with pytest.raises(FileNotFoundError, match=f'Give the name of a file below {CONFIGS}.$'):
        inheriting('??', elsewhere)


def test_hub() -> None:
    assert 'model_path' not in get_config(f'{PREFIX}rsn18_coco_256x192.py')
    assert get_config(f'{PREFIX}rsn18_coco_256x192', pretrained=True).model_path.startswith('https://')
    assert type(get_model(f'{PREFIX}{SMALL}', pretrained=True).head).__name__ == 'MultiStageHead'
    with pytest.raises(ValueError, match="no weights of 'rsn_mm::rsn101_coco_256x192'"):
        get_model(f'{PREFIX}rsn101_coco_256x192', pretrained=True)


@pytest.mark.parametrize('name', [SMALL, f'{PREFIX}{SMALL}'])
def test_mmposes_inferencer(name: str) -> None:
    from mmpose.apis import MMPoseInferencer
    inferencer = MMPoseInferencer(pose2d=name, det_model='whole_image', device='cpu')
    result = next(inferencer(np.zeros((64, 48, 3), np.uint8)))
    assert np.shape(result['predictions'][0][0]['keypoints']) == (14, 2)


def test_a_name_that_is_not_ours_is_mmposes_matter() -> None:
    from mmpose.apis import MMPoseInferencer
    with pytest.raises(ValueError, match='Cannot find model: rsn18_coco in mmpose'):
        MMPoseInferencer(pose2d='rsn18_coco', device='cpu')


def test_our_models_are_listed() -> None:
    assert {SMALL, 'rsn18_coco_256x192'} <= set(BaseInferencer.list_models('rsn_mm'))


def test_weights_by_name() -> None:
    assert weights_of(SMALL) == str(WEIGHTS / f'{SMALL}.safetensors')
    assert weights_of('rsn18_coco_256x192').endswith('.pth')
    assert weights_of('rsn101_coco_256x192') is None and config_path('rsn102') is None

"""Tiny models of two sizes on a tiny data set of drawn people, and result files."""
import json
from pathlib import Path
from typing import Any, Callable, Sequence, Tuple

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope, init_default_scope

from rsn_mm import registry
from rsn_mm.synthetic import PeopleDataset, make_people

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleDataset:
    return make_people(tmp_path_factory.mktemp('people') / 'data', num_train=1, num_val=4, seed=3, progress=False)


@pytest.fixture
def tiny(people: PeopleDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Tuple[Config, str]]:
    """A config of a tiny untrained model, with weights of a seed, at 128x96 or any other (width, height)."""
    monkeypatch.setenv('PEOPLE_ROOT', f'{people.root}/')

    def make(seed: int = 0, size: Tuple[int, int] = (96, 128), codec: dict = {}, **changes: Any) -> Tuple[Config, str]:
        config = Config.fromfile(CONFIGS / 'rsn_people_128x96.py')
        codec = {**config.codecs[-1], 'input_size': size, 'heatmap_size': (size[0] // 4, size[1] // 4), **codec}
        config.merge_from_dict({
            'work_dir': str(tmp_path / 'work'),
            'experiment_name': f'tiny_{tmp_path.name}_{seed}',
            'test_dataloader': dict(batch_size=3, num_workers=0, persistent_workers=False),
            'model.backbone': dict(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
            'model.head': dict(num_units=2, in_channels=16),
        })
        config.model.head.decoder = codec
        config.test_dataloader.dataset.pipeline[2].input_size = size
        config.merge_from_dict(changes)
        with DefaultScope.overwrite_default_scope('mmengine'):
            init_default_scope('rsn_mm')
            torch.manual_seed(seed)
            model = registry.MODELS.build(config.model)
            model.init_weights()
        # Maps of a trained network go up to 255.
        torch.nn.init.normal_(model.head.predictors[-1][-1][-1].norm.weight, 100., 20.)
        checkpoint = tmp_path / f'tiny_{seed}_{size[0]}.pth'
        torch.save(dict(meta={}, state_dict=model.state_dict()), checkpoint)
        return config, str(checkpoint)

    return make


@pytest.fixture
def result_file(tmp_path: Path) -> Callable[..., Path]:
    """Write a result file; a person is (image, joints (K, 2), score), its joint scores all 1; ``more``: further keys."""

    def write(name: str, persons: Sequence[tuple], **more: Sequence[Any]) -> Path:
        entries = []
        for i, (image_id, joints, score) in enumerate(persons):
            joints = np.column_stack([np.asarray(joints, dtype=float), np.ones(len(joints))])
            entries.append(dict(image_id=image_id, category_id=1, keypoints=joints.ravel().tolist(), score=score,
                                **{key: values[i] for key, values in more.items()}))
        path = tmp_path / name
        path.write_text(json.dumps(entries))
        return path

    return write

"""A tiny data set of drawn people, and a config that trains a tiny RSN on it in seconds."""
from pathlib import Path

import pytest
from mmengine.config import Config

from rsn_mm.synthetic import PeopleDataset, make_people

CONFIGS = Path(__file__).parents[2] / 'configs'


@pytest.fixture(scope='session')
def people(tmp_path_factory: pytest.TempPathFactory) -> PeopleDataset:
    return make_people(tmp_path_factory.mktemp('people') / 'data', num_train=8, num_val=4, seed=3, progress=False)


@pytest.fixture
def tiny_config(people: PeopleDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """`rsn_people_128x96.py` for one epoch of a few iterations. Every run is an experiment of its own."""
    monkeypatch.setenv('PEOPLE_ROOT', f'{people.root}/')
    config = Config.fromfile(CONFIGS / 'rsn_people_128x96.py')
    config.merge_from_dict({
        'work_dir': str(tmp_path / 'work'),
        'experiment_name': f'tiny_{tmp_path.name}',
        'train_cfg': dict(max_epochs=1, val_interval=1),
        'train_dataloader': dict(batch_size=4, num_workers=0, persistent_workers=False),
        'val_dataloader': dict(batch_size=8, num_workers=0, persistent_workers=False),
        'test_dataloader': dict(batch_size=8, num_workers=0, persistent_workers=False),
        'model.backbone': dict(num_blocks=[1, 1], stem_channels=8, unit_channels=16),
        'model.head': dict(num_units=2, in_channels=16),
        'default_hooks.logger.interval': 1,
        'default_hooks.checkpoint.interval': 1,
    })
    config.model.head.encoder = config.codecs[-2:]
    return config

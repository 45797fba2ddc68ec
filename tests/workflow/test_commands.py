"""What users type: mim and torchrun, from a folder that is not the checkout, with the installed package."""
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import List

import pytest

from rsn_mm.synthetic import PeopleDataset

from .. import warm

CONFIGS = Path(__file__).parents[2] / 'configs'
SHARED_COCO = Path(__file__).parents[3] / 'shared' / 'data' / 'coco_mini'
TINY = [
    'train_cfg.max_epochs=1', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=4',
    'model.backbone.num_blocks=[1,1,1,1]', 'model.backbone.stem_channels=8', 'model.backbone.unit_channels=16',
    'model.head.in_channels=16', 'default_hooks.checkpoint.interval=1'
]


def run(arguments: List[str], folder: Path, people: PeopleDataset = None, python: str = '') -> str:
    environment = dict(os.environ, OMP_NUM_THREADS='1')
    environment.pop('PYTHONPATH', None)  # the installed package, not the checkout
    if people is not None:
        environment['PEOPLE_ROOT'] = f'{people.root}/'
    done = subprocess.run([python or warm.python(), '-m', *arguments], cwd=folder, env=environment, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    return done.stdout


def test_mim_trains_resumes_and_tests_with_the_installed_package(people: PeopleDataset, tmp_path: Path) -> None:
    train = ['mim', 'train', 'rsn_mm', 'configs/rsn_people_128x96.py', '--work-dir', 'work', '--cfg-options', *TINY]
    log = run(train, tmp_path, people, sys.executable)
    assert 'Training finished successfully' in log and 'loss_s1u4' in log

    log = run([*train[:6], '--resume', '--cfg-options', *TINY, 'train_cfg.max_epochs=2'], tmp_path, people)
    assert 'resumed epoch: 1' in log and 'Epoch(train) [2]' in re.sub(r' +', ' ', log)

    run(['mim', 'test', 'rsn_mm', 'rsn_people_128x96.py', '--checkpoint', 'work/epoch_2.pth', '--out', 'metrics.json',
         '--cfg-options', *TINY], tmp_path, people)
    assert 0 <= json.loads((tmp_path / 'metrics.json').read_text())['coco/AP'] <= 1


def test_two_processes_train_over_gloo(people: PeopleDataset, tmp_path: Path) -> None:
    log = run(['mim', 'train', 'rsn_mm', 'rsn_people_128x96.py', '--launcher', 'pytorch', '--gpus', '2', '--work-dir',
               'work', '--cfg-options', *TINY], tmp_path, people)
    assert 'Distributed training: True' in log and 'GPU number: 2' in log
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


def test_our_config_is_enough_for_stock_mmpose(people: PeopleDataset, tmp_path: Path) -> None:
    run(['mim', 'train', 'mmpose', str(CONFIGS / 'rsn_people_128x96.py'), '--work-dir', 'work', '--cfg-options', *TINY],
        tmp_path, people)
    assert (tmp_path / 'work' / 'epoch_1.pth').is_file()


SOMEBODYS_CONFIG = """
_base_ = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_res50_8xb64-210e_coco-256x192.py'
custom_imports = dict(imports=['rsn_mm'])
model = dict(
    backbone=dict(_delete_=True, type='rsn_mm.RSNEncoder', num_blocks=[1, 1, 1, 1], stem_channels=8),
    head=dict(in_channels=64))

people = '{{$PEOPLE_ROOT:}}'
train = dict(data_root=people, ann_file='annotations/person_keypoints_train.json', data_prefix=dict(img='train/'))
val = dict(data_root=people, ann_file='annotations/person_keypoints_val.json', data_prefix=dict(img='val/'), bbox_file=None)
train_cfg = dict(max_epochs=1, val_interval=1)
train_dataloader = dict(batch_size=8, num_workers=1, dataset=train)
val_dataloader = dict(num_workers=1, dataset=val)
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=people + 'annotations/person_keypoints_val.json')
test_evaluator = val_evaluator
default_hooks = dict(checkpoint=dict(interval=1))
"""


def test_custom_imports_and_a_prefixed_type_are_enough_in_somebodys_config(people: PeopleDataset, tmp_path: Path) -> None:
    (tmp_path / 'own.py').write_text(SOMEBODYS_CONFIG)
    log = run(['mim', 'train', 'mmpose', 'own.py', '--work-dir', 'work'], tmp_path, people)
    assert 'coco/AP' in log
    log = run(['mim', 'test', 'mmpose', 'own.py', '--checkpoint', 'work/epoch_1.pth'], tmp_path, people)
    assert 'coco/AP' in log


@pytest.mark.skipif(not SHARED_COCO.is_dir(), reason='needs a few real COCO photos in ../shared/data/coco_mini')
def test_rsn50_trains_and_tests_on_photos(tmp_path: Path) -> None:
    options = [
        'train_dataloader.batch_size=2', 'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False',
        'train_dataloader.dataset.indices=4', 'train_cfg.max_epochs=1', 'default_hooks.checkpoint.interval=1',
        'val_dataloader.dataset.indices=4', 'test_dataloader.dataset.indices=4'
    ] + [f'{split}_dataloader.dataset.data_root={SHARED_COCO}/' for split in ('train', 'val', 'test')] + [
        f'{split}_dataloader.dataset.bbox_file=None' for split in ('val', 'test')
    ]
    run(['mim', 'train', 'rsn_mm', 'configs/rsn50_coco_256x192.py', '--work-dir', 'work', '--cfg-options', *options], tmp_path)
    log = run(['mim', 'test', 'rsn_mm', 'configs/rsn50_coco_256x192.py', '--checkpoint', 'work/epoch_1.pth',
               '--cfg-options', *options], tmp_path)
    assert 'coco/AP' in log


def test_mim_finds_the_configs(tmp_path: Path) -> None:
    found = run(['mim', 'search', 'rsn_mm'], tmp_path)
    assert 'rsn50_coco_256x192' in found and '4xrsn50_prm_coco_384x288' in found

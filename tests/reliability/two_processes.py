"""Configs and command lines of ``test_distributed.py``: tiny trainings and tests of drawn people, and how they are started."""
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

import mmpose
import torch
from mmengine.config import Config

from rsn_mm.synthetic import PeopleDataset, make_people

from .. import warm
from ..conftest import load_script

HERE = Path(__file__).parent
TOOLS = HERE.parents[1] / 'tools'
TORCHRUN = ['-m', 'torch.distributed.run', '--standalone', '--nproc_per_node', '2']
# Seconds. Many times what a run takes: this is for runs that would wait for ever.
PATIENCE = 300
EPOCHS, BATCH = 4, 2
# Odd: two processes cannot share them evenly. For losses one is left out, so that the last batch of 4 is half full.
PERSONS = 15
ITERATIONS = 4


class Place(NamedTuple):
    """A folder of runs, the data, and the names of photos by split, in their order."""
    folder: Path
    people: PeopleDataset
    photos: Dict[str, List[str]]

    def recorded(self, run: str, kind: str = 'train') -> Dict[Tuple[int, int], dict]:
        """What the processes of a run wrote down, by (epoch, rank)."""
        found = {}
        for path in sorted((self.folder / run / 'ranks').glob(f'{kind}_*.json')):
            rank, epoch = map(int, path.stem.split('_')[1:])
            found[epoch, rank] = json.loads(path.read_text())
        return found

    def iterations(self, run: str, ranks: int) -> List[List[dict]]:
        """What each process did in each iteration: [iteration][rank]."""
        recorded = self.recorded(run)
        epochs = sorted({epoch for epoch, _ in recorded})
        assert len(recorded) == ranks * len(epochs)
        return [list(parts) for epoch in epochs
                for parts in zip(*(recorded[epoch, rank]['iterations'] for rank in range(ranks)), strict=True)]

    def checkpoint(self, run: str, epoch: int) -> dict:
        return torch.load(self.folder / run / f'epoch_{epoch}.pth', weights_only=True)

    def photo_of_each_person(self, split: str) -> Dict[int, int]:
        """Position of the photo, by id of the person."""
        path = self.people.train_annotations if split == 'train' else self.people.val_annotations
        content = json.loads(path.read_text())
        names = {image['id']: image['file_name'] for image in content['images']}
        return {person['id']: self.photos[split].index(names[person['image_id']]) for person in content['annotations']}

    def copy_photos(self, split: str, name: str, broken: Sequence[int]) -> Path:
        """A copy of the photos, of which some are cut short."""
        target = self.folder / name
        shutil.copytree(self.people.train_images if split == 'train' else self.people.val_images, target)
        for position in broken:
            path = target / self.photos[split][position]
            content = path.read_bytes()
            path.write_bytes(content[:len(content) // 2])
        return target

    def train(self, name: str, config: str, launcher: str, *arguments: str, **options: Any) -> List[str]:
        return ['train.py', str(self.folder / f'{config}.py'), '--work-dir', str(self.folder / name), '--launcher', launcher,
                *arguments, '--cfg-options', *(f'{key}={value}' for key, value in options.items()),
                f'experiment_name={name}{len(arguments)}']

    def test(self, name: str, launcher: str, broken: Sequence[int], round_up: bool) -> List[str]:
        photos = self.copy_photos('val', f'{name}_photos', broken)
        return ['test.py', str(self.folder / 'augmented.py'), str(self.folder / 'augmented' / 'epoch_2.pth'), '--work-dir',
                str(self.folder / name), '--launcher', launcher, '--out', str(self.folder / f'{name}.json'), '--cfg-options',
                f'experiment_name={name}', f'test_dataloader.dataset.data_prefix.img={photos}/',
                f'test_dataloader.sampler.round_up={round_up}', f'test_evaluator.0.outfile_prefix={self.folder / name}']

    def start(self, arguments: List[str], **environment: str) -> subprocess.Popen:
        path = os.pathsep.join([str(HERE.parents[1]), str(HERE)])
        return subprocess.Popen([warm.python(), '-W', 'ignore', *arguments], cwd=self.folder, text=True,
                                env=dict(os.environ, OMP_NUM_THREADS='1', PYTHONPATH=path, **environment),
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)

    def run_in_turn(self, launch: List[str], runs: List[List[str]]) -> str:
        """The log of runs that all end well."""
        path = self.folder / f'{len(runs)}_runs.json'
        path.write_text(json.dumps(runs))
        process = self.start([*launch, str(HERE / 'in_turn.py'), str(path)])
        log, = finish(process)
        assert process.returncode == 0, log[-6000:]
        return log


def finish(*processes: subprocess.Popen) -> List[str]:
    """What they printed. None is left behind, whatever happens."""
    try:
        return [process.communicate(timeout=PATIENCE)[0] for process in processes]
    finally:
        for process in processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def slurm_variables(rank: int, port: int) -> Dict[str, str]:
    """What ``srun`` tells the two processes that it starts."""
    return dict(SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank), SLURM_NTASKS='2', SLURM_NODELIST='localhost',
                MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def make_place(folder: Path) -> Place:
    people = make_people(folder / 'people', num_train=8, num_val=9, max_people=3, seed=16, progress=False)
    photos = {}
    for split, path in (('train', people.train_annotations), ('val', people.val_annotations)):
        content = json.loads(path.read_text())
        assert len(content['annotations']) == PERSONS
        photos[split] = [image['file_name'] for image in content['images']]
    _write_configs(folder, people)
    return Place(folder, people, photos)


def _write_configs(folder: Path, people: PeopleDataset) -> None:
    """``augmented.py``, as users train; ``group_norm.py`` and ``frozen.py``, in which a batch may be divided."""
    augmented = _base_config(folder, people)
    augmented.train_dataloader.dataset.pipeline.insert(-1, dict(type='Draw'))
    augmented.train_dataloader.dataset.pipeline[-1].meta_keys = ('id', 'img_path', 'draw')
    augmented.train_cfg.max_epochs = 2
    augmented.dump(folder / 'augmented.py')

    fixed = _base_config(folder, people)
    loader = fixed.train_dataloader
    loader.dataset.pipeline = [step for step in loader.dataset.pipeline if not step.type.startswith('Random')]
    loader.dataset.indices = PERSONS - 1
    loader.sampler = dict(type='DefaultSampler', shuffle=True)
    norm_cfg = dict(type='GN', num_groups=1)
    fixed.merge_from_dict({'model.backbone.norm_cfg': norm_cfg, 'model.head.norm_cfg': norm_cfg})
    fixed.dump(folder / 'group_norm.py')

    norm_cfg = dict(type='BN', _delete_=True)
    fixed.merge_from_dict({'model.backbone.norm_cfg': norm_cfg, 'model.head.norm_cfg': norm_cfg,
                           'custom_hooks.2.freeze_norms': True, 'train_cfg.max_epochs': 2, 'train_cfg.val_interval': 9,
                           # Unlike Adam, it goes other ways if gradients are summed instead of averaged.
                           'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=1e-4, momentum=0.9)})
    fixed.dump(folder / 'frozen.py')


def _base_config(folder: Path, people: PeopleDataset) -> Config:
    config = load_script(HERE / 'kill_trials.py').read_config(people.root)
    wide = Config.fromfile(Path(mmpose.__file__).parent / '.mim/configs/_base_/datasets/coco.py').dataset_info
    # What this network finds after some iterations is far off: joints as vague as this give it an AP with digits.
    wide.sigmas = [12 * sigma for sigma in wide.sigmas]
    (folder / 'wide.py').write_text(f'dataset_info = {wide.to_dict()!r}')
    config.merge_from_dict(dict(
        custom_imports=dict(imports=['rank_recorder'], allow_failed_imports=False), log_level='INFO',
        train_cfg=dict(max_epochs=EPOCHS, val_interval=2),
        train_dataloader=dict(batch_size=BATCH, num_workers=0, persistent_workers=False)))
    config.custom_hooks = [dict(type='rsn_mm.SyncBuffersHook'), dict(type='rsn_mm.LossGuardHook', interval=1),
                           dict(type='RankRecorder'), dict(type='rsn_mm.FuseHook'),
                           dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.1, update_buffers=True, priority=49)]
    for loader in (config.val_dataloader, config.test_dataloader):
        loader.update(batch_size=4, num_workers=0, persistent_workers=False)
        loader.dataset.metainfo = dict(from_file=str(folder / 'wide.py'))
    config.val_evaluator = [dict(type='CocoMetric', score_mode='bbox_keypoint', nms_mode='none'),
                            dict(type='PCKAccuracy', thr=0.5)]
    config.test_evaluator = config.val_evaluator
    config.default_hooks.checkpoint = dict(type='rsn_mm.CheckpointHook', interval=1, max_keep_ckpts=EPOCHS,
                                           save_best='coco/AP', rule='greater')
    return config

"""Persons that one worker process loads for training and for testing, in stock MMPose and here.

The worker's processor time a person, from the file to the batch in the main process, which is what a core can deliver. A
photo counts as new in every round, as in a data set larger than memory. Without ``--data`` the photos are drawn.
"""
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Dict, List

import cv2
import numpy as np
from common import STOCK_KERNELS, Report, Timing, parser
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from rsn_mm.synthetic import make_people

CONFIG = Path(__file__).parent.parent / 'configs' / 'rsn18_coco_256x192.py'
ANNOTATIONS = 'annotations/person_keypoints_train2017.json'
BATCH = 48


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--data', help='root of COCO: annotations/person_keypoints_train2017.json and train2017/')
    arguments.add_argument('--persons', type=int, default=960, help='least number of persons a round')
    args = arguments.parse_args()
    cv2.setNumThreads(0)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / 'coco'
        persons_a_photo = copy_photos(Path(args.data) if args.data else drawn_photos(Path(folder)), root, args.persons)
        rivals = {f'{purpose}, {name}': make(root, purpose) for purpose in ('train', 'test')
                  for name, make in (('stock MMPose', stock), ('rsn_mm', ours), ('rsn_mm, DefaultSampler, no cache', unshared))
                  if purpose == 'train' or make is not unshared}
        timings = measure(rivals, root, args.rounds)
    report = Report('data_loading', 'Loading by one worker: processor time a person in ms')
    num_persons = {name: len(loader.dataset) for name, loader in rivals.items()}
    for name, timing in timings.items():
        report.add(name, timing, per=num_persons[name], baseline=timings[f'{name.split(",")[0]}, stock MMPose'],
                   persons_a_second=num_persons[name] / timing.median)
    report.note(f'{persons_a_photo:.2f} persons a photo (COCO train2017: 2.65), batches of {BATCH}, '
                f'{"photos of --data" if args.data else "drawn photos"}.')
    report.write(args.out)


def measure(rivals: Dict[str, DataLoader], root: Path, rounds: int) -> Dict[str, Timing]:
    """Seconds of the worker's processor for each round, rivals in turns, after one round to warm up."""
    seconds: Dict[str, List[float]] = {name: [] for name in rivals}
    for epoch in range(rounds + 1):
        for name, loader in rivals.items():
            now = time.time_ns()
            for photo in (root / 'train2017').iterdir():
                os.utime(photo, ns=(now, now))
            loader.sampler.set_epoch(epoch)
            batches = iter(loader)
            worker = loader._iterator._workers[0].pid
            # A worker that is there already has begun: what it does before this line is a few milliseconds.
            start = processor_seconds(worker)
            for _ in batches:
                pass
            seconds[name].append(processor_seconds(worker) - start)
    return {name: Timing(values[1:]) for name, values in seconds.items()}


def processor_seconds(process: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f'/proc/{process}/stat').read_text().rpartition(')')[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def stock(root: Path, purpose: str) -> DataLoader:
    codecs = [dict(type='MegviiHeatmap', input_size=(192, 256), heatmap_size=(48, 64), kernel_size=kernel_size)
              for kernel_size in STOCK_KERNELS]
    box = [dict(type='LoadImage'), dict(type='GetBBoxCenterScale')]
    augmentations = [dict(type='RandomFlip', direction='horizontal'), dict(type='RandomHalfBody'),
                     dict(type='RandomBBoxTransform')]
    crop = [dict(type='TopdownAffine', input_size=(192, 256))]
    targets = [dict(type='GenerateTarget', multilevel=True, encoder=codecs)]
    pack = [dict(type='PackPoseInputs')]
    pipeline = box + augmentations + crop + targets + pack if purpose == 'train' else box + crop + pack
    dataset = dict(type='CocoDataset', data_mode='topdown', test_mode=purpose == 'test', pipeline=pipeline)
    return build('mmpose', root, dict(
        batch_size=BATCH, num_workers=1, persistent_workers=True, dataset=dataset,
        sampler=dict(type='DefaultSampler', shuffle=purpose == 'train')))


def ours(root: Path, purpose: str) -> DataLoader:
    cfg = Config.fromfile(CONFIG)[f'{"train" if purpose == "train" else "val"}_dataloader']
    cfg.update(num_workers=1, pin_memory=False)
    if purpose == 'train':
        cfg.sampler.update(num_workers=1, batch_size=cfg.batch_size)
    return build('rsn_mm', root, cfg)


def unshared(root: Path, purpose: str) -> DataLoader:
    cfg = Config.fromfile(CONFIG).train_dataloader
    cfg.update(num_workers=1, pin_memory=False)
    cfg['sampler'] = dict(type='DefaultSampler', shuffle=True)
    cfg.dataset.pipeline[0].cache_mb = 0
    return build('rsn_mm', root, cfg)


def build(scope: str, root: Path, cfg: dict) -> DataLoader:
    cfg['dataset'].update(
        data_root=f'{root}/', ann_file=ANNOTATIONS, bbox_file=None, data_prefix=dict(img='train2017/'))
    with DefaultScope.overwrite_default_scope(scope):
        return Runner.build_dataloader(cfg, seed=0)


def drawn_photos(folder: Path) -> Path:
    """60 pictures of COCO's size, in COCO's layout."""
    people = make_people(folder / 'drawn', num_train=60, num_val=1, size_wh=(640, 480), progress=False)
    people.train_images.rename(people.root / 'train2017')
    people.train_annotations.rename(people.root / ANNOTATIONS)
    return people.root


def copy_photos(source: Path, root: Path, num_persons: int) -> float:
    """Copy photos with persons until there are ``num_persons``, each as often as needed; return the persons a photo."""
    content = json.loads((source / ANNOTATIONS).read_text())
    persons = [person for person in content['annotations'] if person.get('num_keypoints') and not person.get('iscrowd')]
    by_photo: Dict[int, List[dict]] = {}
    for person in persons:
        by_photo.setdefault(person['image_id'], []).append(person)
    photos = [image for image in content['images'] if image['id'] in by_photo]
    np.random.default_rng(0).shuffle(photos)
    (root / 'train2017').mkdir(parents=True)
    (root / ANNOTATIONS).parent.mkdir()
    images: List[dict] = []
    copies: List[dict] = []
    while len(copies) < num_persons:
        image = photos[len(images) % len(photos)]
        name = f'{len(images) + 1:012d}.jpg'
        shutil.copyfile(source / 'train2017' / image['file_name'], root / 'train2017' / name)
        images.append(dict(image, id=len(images) + 1, file_name=name))
        for person in by_photo[image['id']]:
            copies.append(dict(person, id=len(copies) + 1, image_id=len(images)))
    (root / ANNOTATIONS).write_text(json.dumps(dict(content, images=images, annotations=copies)))
    return len(copies) / len(images)


if __name__ == '__main__':
    main()

"""How long a training takes to begin, and how much memory: the data set of a config, its sampler, and the first person.

    python benchmarks/start.py [--annotations FILE] [--photos 64000 --rounds 3]

Without ``--annotations`` a file of the size of COCO's train2017 is drawn: per photo as many persons, joints and polygons.
Every start is a process of its own; stock MMPose and rsn_mm take turns. Memory is the peak of the process over what it held
when everything was imported.
"""
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Dict, List

import numpy as np
from common import Report, Timing, parser, peak_mib
from mmengine.config import Config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

CONFIG = Path(__file__).parent.parent / 'configs' / 'rsn18_coco_256x192.py'
# Of COCO's train2017: photos with people, annotations, and those of them with joints.
PHOTOS, ANNOTATIONS, PERSONS = 64000, 262000, 150000
CROWDS = 0.02
NUM_KEYPOINTS = 17


def main() -> None:
    arguments = parser(__doc__.split('\n')[0])
    arguments.add_argument('--annotations', help="a file in COCO's format, in place of a drawn one")
    arguments.add_argument('--photos', type=int, default=PHOTOS, help='of the drawn file; annotations in proportion')
    arguments.add_argument('--side', choices=['stock MMPose', 'rsn_mm'], help='measure one start in this process')
    args = arguments.parse_args()
    if args.side:
        print(json.dumps(one_start(args.side, args.annotations)))
        return
    with tempfile.TemporaryDirectory() as folder:
        annotations = args.annotations or draw(Path(folder) / 'annotations.json', args.photos)
        starts: Dict[str, List[dict]] = {'stock MMPose': [], 'rsn_mm': []}
        for _ in range(args.rounds):
            for side, found in starts.items():
                done = subprocess.run([sys.executable, __file__, '--side', side, '--annotations', str(annotations)],
                                      check=True, capture_output=True, text=True)
                found.append(json.loads(done.stdout.strip().split('\n')[-1]))
        size = Path(annotations).stat().st_size
    report = Report('start', 'Start of a training: the data set, its sampler and the first person')
    stock = starts['stock MMPose']
    for side, found in starts.items():
        seconds = Timing([start['seconds'] for start in found])
        peak = sorted(start['peak_MiB'] for start in found)[len(found) // 2]
        report.add(side, seconds, baseline=Timing([start['seconds'] for start in stock]), peak_MiB=round(peak),
                   of_stock=peak / sorted(start['peak_MiB'] for start in stock)[len(stock) // 2])
    persons = {start['persons'] for found in starts.values() for start in found}
    report.note(f'{size / 1e6:.0f} MB of annotations, {", ".join(map(str, persons))} persons with joints.')
    report.write(args.out)


def one_start(side: str, annotations: str) -> Dict[str, Any]:
    for module in ('mmpose.datasets', 'rsn_mm.datasets', 'rsn_mm.transforms', 'rsn_mm.engine'):
        importlib.import_module(module)
    config = Config.fromfile(CONFIG)
    loader = config.train_dataloader
    loader.dataset.update(ann_file=annotations, data_root='', pipeline=[])
    if side == 'stock MMPose':
        loader.dataset.type = 'mmpose.CocoDataset'
        loader.sampler = dict(type='DefaultSampler', shuffle=True)
        loader.pop('collate_fn')
    loader.update(num_workers=0, persistent_workers=False)
    before = peak_mib()
    begin = time.process_time()
    with DefaultScope.overwrite_default_scope('rsn_mm'):
        data = Runner.build_dataloader(loader, seed=0)
    data.dataset[next(iter(data.sampler))]
    seconds = time.process_time() - begin
    return dict(seconds=seconds, peak_MiB=peak_mib() - before, persons=len(data.dataset))


def draw(path: Path, num_photos: int = PHOTOS, seed: int = 0) -> Path:
    """Write a file in COCO's format with annotations and persons in proportion to ``num_photos``."""
    rng = np.random.default_rng(seed)
    num_annotations = round(ANNOTATIONS * num_photos / PHOTOS)
    images = [_image(i) for i in range(1, num_photos + 1)]
    of_photo = np.sort(np.concatenate([np.arange(num_photos), rng.integers(0, num_photos, num_annotations - num_photos)]))
    with_joints = rng.permutation(num_annotations) < round(PERSONS * num_photos / PHOTOS)
    annotations = [_annotation(rng, i + 1, images[photo], bool(joints))
                   for i, (photo, joints) in enumerate(zip(of_photo, with_joints))]
    # In COCO's file the annotations of a photo do not stand together.
    annotations = [annotations[i] for i in rng.permutation(num_annotations)]
    path.write_text(json.dumps(dict(images=images, annotations=annotations, categories=[dict(
        id=1, name='person', supercategory='person', keypoints=[f'joint {i}' for i in range(NUM_KEYPOINTS)], skeleton=[])])))
    return path


def _image(number: int) -> dict:
    name = f'{number:012d}.jpg'
    return dict(license=4, file_name=name, coco_url=f'http://images.cocodataset.org/train2017/{name}', height=480, width=640,
                date_captured='2013-11-14 17:02:52', id=number,
                flickr_url=f'http://farm7.staticflickr.com/6116/{6255196340 + number}_da26cf2c9e_z.jpg')


def _annotation(rng: np.random.Generator, number: int, image: dict, with_joints: bool) -> dict:
    x, y = (round(float(v), 2) for v in rng.uniform(0, (500, 300)))
    w, h = (round(float(v), 2) for v in rng.uniform(20, (135, 175)))
    is_crowd = not with_joints and rng.random() < CROWDS
    outline = (rng.random((int(rng.integers(15, 40)), 2)) * (w, h) + (x, y)).round(2).ravel().tolist()
    joints = np.zeros((NUM_KEYPOINTS, 3), int)
    if with_joints:
        seen = rng.random(NUM_KEYPOINTS) < .7
        seen[0] = True
        joints[seen] = np.column_stack([rng.integers(x, x + w, seen.sum()), rng.integers(y, y + h, seen.sum()),
                                        rng.integers(1, 3, seen.sum())])
    outlines: Any = dict(counts=rng.integers(1, 2000, 500).tolist(), size=[image['height'], image['width']]) if is_crowd \
        else [outline]
    return dict(segmentation=outlines, num_keypoints=int((joints[:, 2] > 0).sum()), area=round(.6 * w * h, 4),
                iscrowd=int(is_crowd), keypoints=joints.ravel().tolist(), image_id=image['id'], bbox=[x, y, w, h],
                category_id=1, id=number)


if __name__ == '__main__':
    main()

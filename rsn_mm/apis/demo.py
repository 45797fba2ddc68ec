"""The demo: a photo by the model of this package, then drawn people and a small RSN trained on them, in minutes on a CPU."""
import importlib.util
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import List, NamedTuple, Optional

import numpy as np

from ..files import given_path
from ..synthetic import PeopleDataset, make_people
from .zoo import SHIPPED

CONFIG = 'rsn_people_128x96.py'
NUM_PICTURES = 12
PHOTO = 'astronaut.png'  # Eileen Collins by NASA, in the public domain; comes with scikit-image
# The model knows whole bodies: where hers would be, (left, top, right, bottom) in px. Legs outside of the picture score less.
BOX = (-100., -50., 610., 1100.)
SEEN = 0.62


class DemoResult(NamedTuple):
    """What the demo leaves behind.

    ap: OKS AP (0 to 1) on held-out pictures, by stock ``CocoMetric``.
    checkpoint, predictions, overlays: the trained weights, COCO-style results, and the folder of pictures.
    photo: the real photo with its pose, None where scikit-image is not installed.
    """
    ap: float
    checkpoint: Path
    predictions: Path
    overlays: Path
    photo: Optional[Path]


def run_demo(out: Path, num_train: int = 500, num_val: int = 100, seed: int = 0, workers: int = 2) -> DemoResult:
    """Find the pose on a photo; then make data, train, test and draw, by the commands that a user would type.

    Args:
        out (Path): Folder for everything. A data set that it already holds is used again.
        num_train (int): Pictures to train on.
        num_val (int): Held-out pictures.
        seed (int): Seed of the data set.
        workers (int): Processes that draw.

    Returns:
        DemoResult: AP and where everything is.

    Raises:
        subprocess.CalledProcessError: if training or test fails; its output has been shown.
    """
    out = given_path('out', out).resolve()
    started = time.monotonic()
    _say(f'1/5  the pose on a photo, by {SHIPPED}')
    photo = draw_photo(out / 'photo')

    _say(f'2/5  {num_train} + {num_val} pictures of people')
    people = make_people(out / 'people', num_train=num_train, num_val=num_val, seed=seed, workers=workers)
    environment = dict(os.environ, PEOPLE_ROOT=f'{people.root}/')

    _say('3/5  training')
    work_dir = out / 'train'
    _mim(['train', 'rsn_mm', CONFIG, '--work-dir', str(work_dir)], environment, out)
    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())

    _say('4/5  test on held-out pictures')
    prefix, metrics = out / 'results', out / 'metrics.json'
    _mim(['test', 'rsn_mm', CONFIG, '--checkpoint', str(checkpoint), '--work-dir', str(out / 'test'), '--out', str(metrics),
          '--cfg-options', f'test_evaluator.outfile_prefix={prefix}'], environment, out)
    ap = json.loads(metrics.read_text())['coco/AP']
    predictions = Path(f'{prefix}.keypoints.json')

    _say('5/5  pictures')
    overlays = out / 'overlays'
    _draw(people, predictions, overlays)
    result = DemoResult(ap, checkpoint, predictions, overlays, photo)
    _report(result, people, time.monotonic() - started)
    return result


def draw_photo(out: Path) -> Optional[Path]:
    """Draw the pose that the model of this package finds on a photo.

    Args:
        out (Path): Folder for the picture and ``predictions.json``, made if missing.

    Returns:
        Path: The picture; None where scikit-image, which the photo comes with, is not installed.
    """
    package = importlib.util.find_spec('skimage')
    if package is None or not package.submodule_search_locations:
        print('Left out: the photo comes with scikit-image (pip install scikit-image).')
        return None
    from .inferencer import PoseInferencer  # MMPose takes seconds to import
    photo = Path(package.submodule_search_locations[0]) / 'data' / PHOTO
    inferencer = PoseInferencer(SHIPPED, device='cpu')
    result, = inferencer(photo, boxes=np.array([BOX]), out=out, score_threshold=SEEN)
    print(f'{(result.keypoint_scores >= SEEN).sum()} of {result.keypoint_scores.size} joints seen')
    return out / PHOTO


def _mim(arguments: List[str], environment: dict, folder: Path) -> None:
    """Run mim outside the checkout, so that it takes configs and tools from the installed package."""
    print('$ mim', shlex.join(arguments), flush=True)
    subprocess.run([sys.executable, '-m', 'mim', *arguments], env=environment, cwd=folder, check=True)


def _draw(people: PeopleDataset, predictions: Path, out: Path) -> None:
    """Ground truth on the left, prediction on the right."""
    from .overlays import draw_beside_truth  # MMPose's visualization takes seconds to import
    draw_beside_truth(people.val_annotations, people.val_images, predictions, out, NUM_PICTURES)


def _say(text: str) -> None:
    print(f'\n=== {text}', flush=True)


def _report(result: DemoResult, people: PeopleDataset, seconds: float) -> None:
    _say(f'done in {seconds / 60:.1f} minutes')
    print(f'AP on held-out pictures  {result.ap:.3f}   (OKS AP .50:.95 of CocoMetric; an untrained network has 0.000)')
    for what, where in (('photo', result.photo or 'left out'), ('pictures', result.overlays), ('checkpoint', result.checkpoint),
                        ('predictions', result.predictions), ('data set', people.root)):
        print(f'{what:<24} {where}')

"""The demo: drawn people, a small RSN trained on them, its AP and its poses beside the truth, in minutes on a CPU."""
import json
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import List, NamedTuple

from ..synthetic import PeopleDataset, make_people

CONFIG = 'rsn_people_128x96.py'
NUM_PICTURES = 12


class DemoResult(NamedTuple):
    """What the demo leaves behind.

    ap: OKS AP (0 to 1) on held-out pictures, by stock ``CocoMetric``.
    checkpoint, predictions, overlays: the trained weights, COCO-style results, and the folder of pictures.
    """
    ap: float
    checkpoint: Path
    predictions: Path
    overlays: Path


def run_demo(out: Path, num_train: int = 500, num_val: int = 100, seed: int = 0, workers: int = 2) -> DemoResult:
    """Make data, train, test and draw, by the commands that a user would type.

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
    out = out.resolve()
    started = time.monotonic()
    _say(f'1/4  {num_train} + {num_val} pictures of people')
    people = make_people(out / 'people', num_train=num_train, num_val=num_val, seed=seed, workers=workers)
    environment = dict(os.environ, PEOPLE_ROOT=f'{people.root}/')

    _say('2/4  training')
    work_dir = out / 'train'
    _mim(['train', 'rsn_mm', CONFIG, '--work-dir', str(work_dir)], environment, out)
    checkpoint = Path((work_dir / 'last_checkpoint').read_text().strip())

    _say('3/4  test on held-out pictures')
    prefix, metrics = out / 'results', out / 'metrics.json'
    _mim(['test', 'rsn_mm', CONFIG, '--checkpoint', str(checkpoint), '--work-dir', str(out / 'test'), '--out', str(metrics),
          '--cfg-options', f'test_evaluator.outfile_prefix={prefix}'], environment, out)
    ap = json.loads(metrics.read_text())['coco/AP']
    predictions = Path(f'{prefix}.keypoints.json')

    _say('4/4  pictures')
    overlays = out / 'overlays'
    _draw(people, predictions, overlays)
    result = DemoResult(ap, checkpoint, predictions, overlays)
    _report(result, people, time.monotonic() - started)
    return result


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
    for what, where in (('pictures', result.overlays), ('checkpoint', result.checkpoint),
                        ('predictions', result.predictions), ('data set', people.root)):
        print(f'{what:<24} {where}')

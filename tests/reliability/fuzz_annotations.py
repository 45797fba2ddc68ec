"""Mutate annotation files, and ask whether checker, training and validation judge each of them alike.

``python tests/reliability/fuzz_annotations.py --count 3000`` changes one to three values of a small data set: ids, sizes, file
names, categories, boxes, joints, segmentations, areas, crowds, counts, photos with EXIF data, detected boxes and what they
share with the annotations. Of each file it asks three: (1) the checker; (2) a data set, which is loaded and makes a batch of
everybody; (3) a data set in test mode and ``CocoMetric``, whose scores for perfect predictions must be 1.0. Outcomes:

- passes: no error of the checker, both data sets load all that it passes, AP is 1.0;
- left out: the checker names entries as errors, both data sets leave out exactly these, and AP of the others is 1.0;
- said: as passes, but the checker names a photo of another size, which is read and kept;
- refused: all three, with one message of ours; what the checker finds in the file the others say in the same words.

Anything else is a FAILURE, and the exit code is then 1.
"""
import argparse
import contextlib
import copy
import io
import json
import logging
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
from PIL import Image

import rsn_mm  # noqa: F401  makes mmpose importable

# After rsn_mm, which makes the stack importable.
from mmengine.logging import MMLogger  # isort: skip
from mmengine.structures import InstanceData  # isort: skip
from mmpose.datasets.transforms import GetBBoxCenterScale, PackPoseInputs, TopdownAffine  # isort: skip
from mmpose.structures import PoseDataSample  # isort: skip
from rsn_mm.datasets import CocoDataset, stack_inputs  # isort: skip
from rsn_mm.datasets.checking import Source, check  # isort: skip
from rsn_mm.datasets.kinds import KINDS, STOPS, Fault  # isort: skip
from rsn_mm.evaluation import CocoMetric  # isort: skip
from rsn_mm.transforms import LoadImage, LoadVisibility  # isort: skip

NUM_JOINTS, SIZE_WH = 17, (64, 48)
PHOTO_FAULTS = ('photo missing', 'photo unreadable', 'photo cut short')
VALUES: Tuple[Any, ...] = (None, True, False, -1, 0, 1, 2, 3, 7, 1.0, 2.0, 0.5, 48, 64, 48.0, 64.0, 1e4, 1e308, -1e308, 10**30,
                           10**400, float('nan'), float('inf'), '', '1', 'person', 'a\0b', '\udcff', '../1.jpg', 'exif3.jpg',
                           'exif6.jpg', 'short.jpg', 'none.jpg', '.', 'é ü.jpg', [], [[]], {}, [1, 2], [1, 2, 3, 4],
                           [0, 0, 1e6, 1e6],
                           [5, 5, 20, 0], [5, 5, -20, 9], [-30, 5, 20, 9], [60, 5, 30, 9], [5, 5, 1e-9, 9], [float('nan')] * 4,
                           ['1'] * 4, [1, 2, 2] * NUM_JOINTS, [1, 2, 2] * 4, [0] * 3 * NUM_JOINTS, [-5, -5, 2] * NUM_JOINTS,
                           [9e3, 9, 2] * NUM_JOINTS, [5, 5, 0.9] * NUM_JOINTS, [None] * 3 * NUM_JOINTS, {'id': 1},
                           {'counts': 'a', 'size': [48, 64]}, [[1, 2, 3, 4, 5, 6]], [[1, 2, 'a', 4, 5, 6]])
PATHS = ('images', 'annotations', 'categories', 'detections')


class Outcome(NamedTuple):
    """``error``: message, None if all went well. ``persons``: ids that were loaded."""
    error: Optional[str]
    persons: Tuple[Any, ...] = ()


def valid_files() -> Dict[str, Any]:
    """Four persons in two photos, and boxes detected in them."""
    rng = np.random.default_rng(0)
    persons = []
    for i in range(4):
        joints = np.column_stack([rng.uniform(4, SIZE_WH[0] - 4, NUM_JOINTS), rng.uniform(4, SIZE_WH[1] - 4, NUM_JOINTS),
                                  rng.integers(1, 3, NUM_JOINTS)]).round(1)
        persons.append(dict(id=10 + i, image_id=1 + i // 2, category_id=1, bbox=[2., 2., 60., 44.], area=1500., iscrowd=0,
                            num_keypoints=NUM_JOINTS, keypoints=joints.ravel().tolist(), segmentation=[[2, 2, 60, 2, 60, 40]]))
    images = [dict(id=i, file_name=f'{i}.jpg', width=SIZE_WH[0], height=SIZE_WH[1]) for i in (1, 2)]
    boxes = [dict(image_id=1 + i // 2, category_id=1, bbox=[2., 2., 60., 44.], score=.9 - .1 * i) for i in range(4)]
    return dict(images=images, annotations=persons, categories=[dict(id=1, name='person')], detections=boxes)


def mutate(content: Dict[str, Any], rng: np.random.Generator) -> Dict[str, Any]:
    """One to three changes: a value replaced, left out, or set alike in all entries of a list; entries doubled; new ids."""
    content = copy.deepcopy(content)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        name = PATHS[rng.choice(4, p=[.25, .5, .1, .15])]
        entries = content.get(name)
        if rng.random() < .03:
            content[name] = copy.deepcopy(VALUES[rng.integers(len(VALUES))])
        elif isinstance(entries, list) and entries:
            _change_entries(entries, rng)
    return content


def _change_entries(entries: List[Any], rng: np.random.Generator) -> None:
    position = rng.integers(len(entries))
    entry, value = entries[position], copy.deepcopy(VALUES[rng.integers(len(VALUES))])
    kind = rng.random()
    if kind < .04 or not isinstance(entry, dict) or not entry:
        entries[position] = value
    elif kind < .08:
        entries.append(copy.deepcopy(entry))
    elif kind < .1:
        del entries[position]
    else:
        key = list(entry)[rng.integers(len(entry))]
        chosen = [e for e in entries if isinstance(e, dict)] if rng.random() < .25 else [entry]
        for one in chosen:
            if kind < .2:
                one.pop(key, None)
            elif kind < .4 and isinstance(one.get(key), list) and one[key]:
                one[key][rng.integers(len(one[key]))] = copy.deepcopy(value)
            else:
                one[key] = copy.deepcopy(value)


def write_photos(folder: Path) -> None:
    """Photos that the files name, some of them with EXIF data, or broken."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE_WH[1], SIZE_WH[0], 3), dtype=np.uint8)
    for name in ('1.jpg', '2.jpg', 'é ü.jpg'):
        (folder / name).write_bytes(cv2.imencode('.jpg', pixels)[1].tobytes())
    for orientation in (3, 6):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(pixels).save(folder / f'exif{orientation}.jpg', exif=exif)
    (folder / 'short.jpg').write_bytes((folder / '1.jpg').read_bytes()[:-30])


def _load(folder: Path, test_mode: bool, boxes: Optional[str]) -> CocoDataset:
    steps = [LoadImage(), GetBBoxCenterScale(), TopdownAffine((48, 64))]
    steps += [PackPoseInputs()] if test_mode else [LoadVisibility(), PackPoseInputs(pack_transformed=True)]
    return CocoDataset(ann_file=str(folder / 'a.json'), data_prefix=dict(img=str(folder)), bbox_file=boxes, test_mode=test_mode,
                       pipeline=steps)


def train(folder: Path, boxes: Optional[str]) -> Outcome:
    """Load the data set and make a batch of all its persons."""
    data = _load(folder, False, None)
    batch = stack_inputs([data[i] for i in range(len(data))])
    joints = np.concatenate([sample.gt_instances.keypoints_visible for sample in batch['data_samples']])
    if not np.isfinite(joints).all() or not (joints > 0).any(axis=1).all():
        raise AssertionError('somebody in the batch has no joint')
    return Outcome(None, tuple(sample.id for sample in batch['data_samples']))


def validate(folder: Path, boxes: Optional[str]) -> Outcome:
    """Load the data set in test mode, predict what is annotated, and score it."""
    data = _load(folder, True, boxes)
    metric = CocoMetric(str(folder / 'a.json'), nms_mode='none')
    metric.dataset_meta = data.metainfo
    truth = {person['image_id']: [] for person in metric.coco.dataset['annotations']}
    for person in metric.coco.dataset['annotations']:
        truth[person['image_id']].append(np.reshape(person['keypoints'], (-1, 3)).astype(float))
    predictions = []
    for i in range(len(data)):
        sample = data[i]['data_samples']
        # A detected box finds a person of its photo, the next one another person; nobody is left for further boxes.
        poses = truth.get(sample.img_id, [])
        if boxes is None:
            pose = np.reshape(metric.coco.anns[sample.id]['keypoints'], (-1, 3)).astype(float)
        else:
            pose = poses.pop() if poses else np.full((NUM_JOINTS, 3), 1e5)
        one = PoseDataSample(metainfo=dict(id=i, img_id=sample.img_id, category_id=sample.category_id))
        one.pred_instances = InstanceData(keypoints=pose[None, :, :2], keypoint_scores=np.ones((1, NUM_JOINTS)))
        box_score = .1 if pose[0, 0] == 1e5 else 1.
        one.gt_instances = InstanceData(bbox_scores=np.full(1, box_score), bbox_scales=np.full((1, 2), 40.))
        predictions.append(one.to_dict())
    metric.process(None, predictions)
    score = metric.evaluate(max(len(predictions), 1))['coco/AP']
    has_box_for_all = boxes is None or not any(truth.values())
    if abs(score - 1) > 1e-6 and has_box_for_all:
        raise AssertionError(f'perfect predictions score {score}')
    return Outcome(None, () if boxes else tuple(sorted(data.get_data_info(i)['id'] for i in range(len(data)))))


def _attempt(call: Callable[[Path, Optional[str]], Outcome], folder: Path, boxes: Optional[str]) -> Outcome:
    try:
        return call(folder, boxes)
    except (ValueError, OSError) as error:
        return Outcome(str(error))
    except Exception as error:
        return Outcome(f'FAILURE {type(error).__name__}: {error}'[:300])


def judge_alike(folder: Path, boxes: Optional[str]) -> str:
    """The outcome for the files of a folder, in one word or ``'FAILURE: ...'``."""
    faults = list(check(Source(str(folder / 'a.json'), str(folder), boxes, layout=CocoDataset.layout(
        CocoDataset._load_metainfo())), progress=False))
    of_truth = [fault for fault in faults if not fault.kind.startswith('detection') and fault.file_name != boxes]
    trained, validated = (_attempt(call, folder, boxes) for call in (train, validate))
    train_faults = faults if boxes is None else of_truth
    for name, outcome, own in (('training', trained, train_faults), ('validation', validated, faults)):
        problem = _disagreement(outcome, own, folder)
        if problem:
            return f'FAILURE: {name}: {problem}'
    errors = [fault for fault in faults if fault.level == 'error']
    if trained.error or validated.error:
        return 'refused'
    return 'passes' if not errors else 'said' if {fault.kind for fault in errors} <= {'photo size'} else 'left out'


def _disagreement(outcome: Outcome, faults: List[Fault], folder: Path) -> Optional[str]:
    """Why the outcome of a reader is not what the checker says."""
    stops = [fault for fault in faults if KINDS[fault.kind].in_training == STOPS]
    broken = [fault for fault in faults if fault.kind in PHOTO_FAULTS]
    if outcome.error is None:
        left_out = {fault.annotation_id for fault in faults if fault.level == 'error'}
        left_out -= {fault.annotation_id for fault in faults if fault.kind == 'id twice'}  # the last one may be sound
        wrong = [person for person in outcome.persons if person in left_out]
        return f'passes what stops: {stops[0]}' if stops else f'keeps {wrong}' if wrong else None
    if 'FAILURE' in outcome.error or 'Traceback' in outcome.error:
        return outcome.error
    if stops:
        return None if any(stop.detail in outcome.error for stop in stops) else f'{stops[0]} is said as {outcome.error}'
    names = [Path(fault.file_name).name for fault in broken]
    return None if any(name in outcome.error for name in names) else f'unforeseen: {outcome.error}'


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the thousand lines of the evaluation and the log."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings(), np.errstate(all='ignore'):
        warnings.simplefilter('ignore')
        yield
    logger.setLevel(level)


def run(count: int, seed: int, log: Callable[[str], None] = lambda text: None, skip: int = 0) -> Counter:
    """How often ``count`` files, but for the first ``skip``, came to each outcome. Every third is read with its detections."""
    counts: Counter = Counter()
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name, quiet():
        folder = Path(name)
        write_photos(folder)
        for number in range(count):
            content = mutate(valid_files(), rng)
            if number < skip:
                continue
            boxes = content.pop('detections', [])
            (folder / 'a.json').write_text(json.dumps(content))
            (folder / 'boxes.json').write_text(json.dumps(boxes))
            path = str(folder / 'boxes.json') if number % 3 == 2 else None
            result = judge_alike(folder, path)
            if result.startswith('FAILURE'):
                log(f'{number}: {result}')
            counts['with detections' if path else 'annotations', result.split(':')[0]] += 1
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=3000)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--skip', type=int, default=0, help='leave out the first so many, to go on where a run ended')
    args = parser.parse_args()
    counts = run(args.count, args.seed, lambda text: print(text, file=sys.stderr, flush=True), args.skip)
    for (files, result), number in sorted(counts.items()):
        print(f'{number:6} {files}: {result}')
    return 1 if any(result == 'FAILURE' for _, result in counts) else 0


if __name__ == '__main__':
    sys.exit(main())

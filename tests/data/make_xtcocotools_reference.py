"""Makes xtcocotools_reference.json.gz: what xtcocotools 1.14.3 answers to seeded random cases.

Run it where the real xtcocotools imports; its Linux wheel for Python 3.11 needs numpy 1:

    pip install "numpy<2" xtcocotools==1.14.3
    python tests/data/make_xtcocotools_reference.py

Only the answers are stored. The test builds the same cases again: ``RandomState`` draws the same numbers in every
version of numpy.
"""
import contextlib
import gzip
import io
import json
import re
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import numpy as np

REFERENCE = Path(__file__).with_name('xtcocotools_reference.json.gz')
# Joints of each list that a whole-body annotation consists of.
WHOLEBODY_PARTS = dict(keypoints=17, foot_kpts=6, face_kpts=68, lefthand_kpts=21, righthand_kpts=21)
BODY_ONLY = dict(keypoints=17)


class Case(NamedTuple):
    """One random evaluation.

    Attributes:
        iou_type: as given to COCOeval.
        seed: of the dataset and of the results.
        parts: joints of each list of key points that annotations and results have.
        evaluated: the lists among ``parts`` that ``iou_type`` evaluates.
        images: how many.
        categories: how many, numbered from 1.
        first_id: first id of images and of annotations.
        use_area: as given to COCOeval.
        has_area: whether annotations have an area.
        part_score: name of a score that results have beside ``score``.
        no_results: leave the results empty.
        box_results: results have a box, which then gives their area.
        crowded: this many more results on the first image.
        default_sigmas: leave the sigmas to COCOeval.
        easy: no image is crowded.
        twice: the first annotation is listed twice, as when MMPose collects ground truth from padded batches.
    """
    iou_type: str
    seed: int
    parts: Dict[str, int] = BODY_ONLY
    evaluated: Tuple[str, ...] = ('keypoints', )
    images: int = 6
    categories: int = 1
    first_id: int = 1
    use_area: bool = True
    has_area: bool = True
    part_score: Optional[str] = None
    no_results: bool = False
    box_results: bool = False
    crowded: int = 0
    default_sigmas: bool = False
    easy: bool = False
    twice: bool = False


def _part(name: str, seed: int, **changes: Any) -> Case:
    return Case(f'keypoints_{name}', seed, WHOLEBODY_PARTS, (f'{name}_kpts', ), **changes)


CASES: Dict[str, Case] = {
    'coco': Case('keypoints', 1, images=10, default_sigmas=True),
    'coco, ids from 0': Case('keypoints', 2, first_id=0),
    'coco, no results': Case('keypoints', 3, no_results=True),
    'coco, boxes for area': Case('keypoints', 4, use_area=False),
    'coco, no area': Case('keypoints', 5, use_area=False, has_area=False),
    'coco, results with boxes': Case('keypoints', 6, box_results=True),
    'coco, 30 results on one image': Case('keypoints', 7, crowded=30, first_id=0),
    'coco, an annotation twice': Case('keypoints', 9, twice=True),
    'coco, no images': Case('keypoints', 8, images=0),
    'whole body': Case('keypoints_wholebody', 11, WHOLEBODY_PARTS, tuple(WHOLEBODY_PARTS)),
    'whole body, own score': Case('keypoints_wholebody', 12, WHOLEBODY_PARTS, tuple(WHOLEBODY_PARTS),
                                  part_score='wholebody_score', first_id=0),
    'body': Case('keypoints_body', 13, WHOLEBODY_PARTS),
    'foot': _part('foot', 14),
    'face': _part('face', 15, use_area=False),
    'left hand': _part('lefthand', 16, first_id=0),
    'left hand, own score': _part('lefthand', 17, part_score='lefthand_score'),
    'right hand': _part('righthand', 18, box_results=True),
    'crowdpose': Case('keypoints_crowd', 21, dict(keypoints=14), images=20, has_area=False, use_area=False),
    'crowdpose, ids from 0': Case('keypoints_crowd', 22, dict(keypoints=14), images=9, first_id=0, use_area=False),
    'crowdpose, no hard image': Case('keypoints_crowd', 23, dict(keypoints=14), images=6, use_area=False, easy=True),
    'crowdpose, two categories': Case('keypoints_crowd', 24, dict(keypoints=14), images=12, categories=2, crowded=25),
    'ap10k': Case('keypoints', 31, images=12, categories=5, first_id=0),
    'ap10k, no area': Case('keypoints', 32, images=8, categories=4, use_area=False, has_area=False),
    'halpe': Case('keypoints', 41, dict(keypoints=136)),
    'boxes': Case('bbox', 51, images=8, categories=2, first_id=0, box_results=True, crowded=8),
    'masks': Case('segm', 52, images=8, categories=2, box_results=True),
}


def build(case: Case) -> Tuple[Dict[str, Any], List[Dict[str, Any]], Optional[np.ndarray]]:
    """Annotations, results and sigmas of a case.

    Among the annotations are crowds, and persons without a labelled joint; among the results misses, false alarms,
    equal scores, and poses without any visible joint.

    Returns:
        tuple: content of an annotation file, content of a result file, sigmas (K,) or None.
    """
    random = np.random.RandomState(case.seed)
    num_joints = sum(case.parts.values())
    gt: Dict[str, Any] = dict(images=[], annotations=[], categories=[])
    gt['categories'] = [dict(id=i + 1, name=f'category {i + 1}') for i in range(case.categories)]
    results: List[Dict[str, Any]] = []
    for image_id in range(case.first_id, case.first_id + case.images):
        crowd_index = round(float(random.uniform(0, 1)), 3)
        gt['images'].append(dict(id=image_id, width=640, height=480, file_name=f'{image_id}.jpg',
                                 crowdIndex=min(crowd_index, .79) if case.easy else crowd_index))
        for _ in range(random.randint(0, 6)):
            pose, ann = _annotation(case, random, image_id, case.first_id + len(gt['annotations']), num_joints)
            gt['annotations'].append(ann)
            for _ in range(random.randint(0, 3)):
                noise = random.choice([.005, .02, .05, .1]) * np.sqrt(ann['bbox'][2] * ann['bbox'][3])
                points = pose[:, :2] + noise * random.normal(size=(num_joints, 2))
                results.append(_result(case, random, ann, points))
        false_alarms = random.randint(0, 2) + (case.crowded if image_id == case.first_id else 0)
        for _ in range(false_alarms):
            anything = dict(image_id=image_id, category_id=int(random.randint(case.categories)) + 1)
            results.append(_result(case, random, anything, random.uniform(0, 480, (num_joints, 2))))
    gt['annotations'] += gt['annotations'][:case.twice]
    evaluated = sum(case.parts[name] for name in case.evaluated)
    sigmas = None if case.default_sigmas else np.round(random.uniform(.025, .11, evaluated), 3)
    return gt, [] if case.no_results else results, sigmas


def _annotation(case: Case, random: np.random.RandomState, image_id: int, ann_id: int,
                num_joints: int) -> Tuple[np.ndarray, Dict[str, Any]]:
    width, height = np.round(random.uniform(12, 220, 2), 1)
    corner = np.round(random.uniform(0, 250, 2), 1)
    pose = np.zeros((num_joints, 3))
    pose[:, :2] = np.round(corner + random.uniform(0, 1, (num_joints, 2)) * (width, height), 1)
    pose[:, 2] = random.choice([0, 1, 2], num_joints, p=[.3, .2, .5]) * (random.uniform() > .15)
    pose[pose[:, 2] == 0] = 0
    ann = dict(id=ann_id, image_id=image_id, category_id=int(random.randint(case.categories)) + 1,
               bbox=[*corner.tolist(), float(width), float(height)], num_keypoints=int((pose[:, 2] == 2).sum()),
               **_split(pose, case.parts))
    x0, y0, x1, y1 = *corner.tolist(), float(corner[0] + width), float(corner[1] + height)
    ann['segmentation'] = [[x0, y0, x1, y0, x1, y1, x0 + .1 * float(width), y1]]
    if random.uniform() < .8:  # else the default
        ann['iscrowd'] = int(random.uniform() < .15)
    area = round(float(width * height * random.uniform(.3, .9)), 2)
    if case.has_area:
        ann['area'] = area
    return pose, ann


def _result(case: Case, random: np.random.RandomState, found: Dict[str, Any], points: np.ndarray) -> Dict[str, Any]:
    scores = np.round(random.uniform(0, 1, (len(points), 1)), 2) * (random.uniform() > .1)
    result = dict(image_id=found['image_id'], category_id=found['category_id'],
                  score=round(float(random.uniform(0, 1)), 1),
                  **_split(np.hstack([np.round(points, 2), scores]), case.parts))
    other_score = round(float(random.uniform(0, 1)), 1)
    if case.part_score:
        result[case.part_score] = other_score
    if case.box_results:
        box = found.get('bbox', [*points.min(axis=0), *np.ptp(points, axis=0)])
        result['bbox'] = np.round(box + random.uniform(0, .15, 4) * box[2], 2).tolist()
    return result


def _split(pose: np.ndarray, parts: Dict[str, int]) -> Dict[str, List[float]]:
    ends = np.cumsum(list(parts.values()))
    return {name: pose[end - count:end].reshape(-1).tolist() for (name, count), end in zip(parts.items(), ends)}


def evaluate(case: Case, coco_class: Callable[..., Any], eval_class: Callable[..., Any]) -> Dict[str, Any]:
    """Run one case the way MMPose's CocoMetric does.

    Returns:
        dict: ``stats``; ``stdout``, its lines without run times; ``matches``, the entries of evalImgs as [image,
        category, area range, dtIds, gtIds, dtMatches, gtMatches, gtIgnore, dtIgnore]; ``similarity``, the OKS or IoU
        matrices as [image, category, matrix].
    """
    gt, results, sigmas = build(case)
    stdout = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(stdout):
        gt_file, result_file = f'{folder}/gt.json', f'{folder}/results.json'
        Path(gt_file).write_text(json.dumps(gt))
        Path(result_file).write_text(json.dumps(results))
        coco = coco_class(gt_file)
        evaluation = eval_class(coco, coco.loadRes(result_file), case.iou_type, sigmas, case.use_area)
        evaluation.params.useSegm = None
        evaluation.evaluate()
        evaluation.accumulate()
        matches = [_plain_entry(entry) for entry in evaluation.evalImgs if entry is not None]
        similarity = [[int(image), int(category), np.round(matrix, 9).tolist()]
                      for (image, category), matrix in evaluation.ious.items() if len(matrix)]
        evaluation.summarize()
    lines = [re.sub(r't=\d+\.\d+', 't=', line) for line in stdout.getvalue().splitlines()]
    return dict(stats=[float(value) for value in evaluation.stats], stdout=lines, matches=matches,
                similarity=similarity)


def _plain_entry(entry: Dict[str, Any]) -> List[Any]:
    return [int(entry['image_id']), int(entry['category_id']), entry['aRng'], list(entry['dtIds']),
            list(entry['gtIds']), *(np.asarray(entry[key]).astype(int).tolist()
                                    for key in ('dtMatches', 'gtMatches', 'gtIgnore', 'dtIgnore'))]


def main() -> None:
    """Evaluate every case with the real xtcocotools and store the answers."""
    from xtcocotools.coco import COCO
    from xtcocotools.cocoeval import COCOeval
    answers = {name: evaluate(case, COCO, COCOeval) for name, case in CASES.items()}
    text = json.dumps(answers, separators=(',', ':'))
    REFERENCE.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f'{REFERENCE}: {len(answers)} cases, {REFERENCE.stat().st_size} bytes')


if __name__ == '__main__':
    main()

"""Videos with known truth, drawn people who walk, cross and hide one another: identities, det_every, and the filter of joints.

Boxes are the true ones with noise and misses in place of a detector (one is downloaded only with a network); poses are those
of the model that comes with the package, which was trained on photos, or of ``--pose``. Switches and IDF1 by motmetrics (``pip
install motmetrics lap norfair-enough``), beside MMDetection's ByteTrack and OC-SORT, which get the same boxes; OKS AP by
pycocotools on the joints of COCO that the model knows; jitter and lag of the filter on whatever joints are in sight. Counts are
sums of all videos, the others means.
"""
import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import cv2
import motmetrics
import numpy as np
import torch
from common import Report, parser
from mmdet.models.trackers import ByteTracker, OCSORTTracker
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from rsn_mm.apis import PoseInferencer, PoseResult
from rsn_mm.apis.carrying import overlaps
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.synthetic import VideoFrame, draw_walk
from rsn_mm.synthetic.skeleton import KEYPOINT_NAMES

RATE = 25.
# A detection: noise of its edges in sizes of the box, how many are missed, and what share of a person must be in sight.
NOISE, MISSED, IN_SIGHT = 0.02, 0.05, 0.25
SIGMAS = dict(zip(KEYPOINT_NAMES, np.array([26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]) / 1000))
Ids = List[np.ndarray]


class Truth(NamedTuple):
    """Of a frame: numbers (N,), boxes (N, 4), keypoints (N, 17, 3) with flags, shares in sight (N,)."""
    numbers: np.ndarray
    boxes: np.ndarray
    keypoints: np.ndarray
    in_sight: np.ndarray


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument('--videos', type=int, default=6, help='videos, each by its own seed')
    arguments.add_argument('--frames', type=int, default=300, help='frames of a video')
    arguments.add_argument('--people', type=int, default=10, help='people in it')
    arguments.add_argument('--pose', default=SHIPPED, help='model of the poses')
    arguments.add_argument('--weights', help='its checkpoint, if it is not the one that the name stands for')
    args = arguments.parse_args()
    report = Report('tracking', f'{args.videos} videos of {args.frames} frames of 640x360 with {args.people} drawn people, '
                                f'poses by {args.pose}')
    inferencer = PoseInferencer(args.pose, args.weights, device='cpu', det='whole')
    rows: Dict[str, List[Dict[str, float]]] = {}
    for seed in range(args.videos):
        for what, values in one_video(inferencer, draw_walk(args.people, args.frames, seed=seed, rate=RATE), seed).items():
            rows.setdefault(what, []).append(values)
    for what, found in rows.items():
        report.add_values(what, **{name: together([values[name] for values in found]) for name in found[0]})
    report.write(args.out)


def one_video(inferencer: PoseInferencer, frames: Sequence[VideoFrame], seed: int) -> Dict[str, Dict[str, float]]:
    """Every row of the report for one video: counts are whole numbers."""
    rows: Dict[str, Dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        video = Path(folder) / 'walk.avi'
        truth = write(video, frames)
        boxes = detections(truth, seed)
        rows['the videos'] = dict(crossings=crossings(truth), boxes=sum(map(len, boxes)))
        for every in (1, 5):
            plain = list(inferencer(video, boxes=boxes, det_every=every, track=True))
            rows[f'norfair, det_every={every}'] = dict(
                identities(truth, [result.boxes for result in plain], [result.track_ids for result in plain]),
                AP=ap(truth, plain))
        for strength in (1., 2.):
            calm = list(inferencer(video, boxes=boxes, smooth=strength))
            rows[f'filter, strength {strength:g}'] = calmness(truth, calm)
    for name, tracker in (('ByteTrack', ByteTracker), ('OC-SORT', OCSORTTracker)):
        loose: Dict[str, Any] = dict(obj_score_thrs=dict(high=.3, low=.1)) if tracker is ByteTracker else {}
        for kind, options in ((name, {}), (f'{name}, lower thresholds', dict(loose, init_track_thr=.3, num_tentatives=1))):
            run = mmdet_ids(tracker(motion=dict(type='mmdet.KalmanFilter'), num_frames_retain=45, **options))
            rows[kind] = identities(truth, [found[:, :4] for found in boxes], run(boxes))
    return rows


def together(values: Sequence[float]) -> str:
    """The sum of counts, the mean of others."""
    return str(sum(values)) if isinstance(values[0], int) else f'{np.mean(values):.3f}'


def write(path: Path, frames: Sequence[VideoFrame]) -> List[Truth]:
    truth, writer = [], None
    for frame in frames:
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'MJPG'), RATE, frame.image.shape[1::-1])
        writer.write(frame.image)
        corners = np.array([person.box for person in frame.people])
        truth.append(Truth(np.array([person.number for person in frame.people]),
                           np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1),
                           np.stack([person.keypoints for person in frame.people]), np.array(frame.in_sight)))
    writer.release()
    return truth


def detections(truth: Sequence[Truth], seed: int = 0) -> List[np.ndarray]:
    """Boxes with scores (N, 5) of each frame, in random order."""
    rng = np.random.default_rng(seed)
    found = []
    for one in truth:
        kept = rng.permutation(np.flatnonzero((one.in_sight >= IN_SIGHT) & (rng.random(len(one.numbers)) >= MISSED)))
        boxes = one.boxes[kept]
        boxes = boxes + rng.normal(0, NOISE, boxes.shape) * np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        scores = np.clip(rng.normal(0.55 + 0.4 * one.in_sight[kept], 0.06), 0.3, 0.99)
        found.append(np.column_stack([boxes, scores]).astype(np.float32))
    return found


def crossings(truth: Sequence[Truth]) -> int:
    """How often one of two people who are seen comes to the other side of the other."""
    count, sides = 0, {}
    for one in truth:
        middles = dict(zip(one.numbers.tolist(), one.boxes[:, [0, 2]].mean(axis=1)))
        for a in middles:
            for b in middles:
                if a < b:
                    side = middles[a] < middles[b]
                    count += sides.get((a, b), side) != side
                    sides[a, b] = side
    return int(count)


def identities(truth: Sequence[Truth], boxes: Sequence[np.ndarray], ids: Ids) -> Dict[str, float]:
    """Switches and IDF1 against the people of whom enough is in sight."""
    matches = motmetrics.MOTAccumulator(auto_id=True)
    for one, found, numbers in zip(truth, boxes, ids):
        seen, known = one.in_sight >= IN_SIGHT, numbers >= 0
        distances = 1 - overlaps(one.boxes[seen], found[known])
        matches.update(one.numbers[seen].tolist(), numbers[known].tolist(), np.where(distances > 0.5, np.nan, distances))
    summary = motmetrics.metrics.create().compute(matches, metrics=['num_switches', 'idf1'], name='video').iloc[0]
    return dict(switches=int(summary.num_switches), IDF1=float(summary.idf1))


def mmdet_ids(tracker: Any) -> Callable[[Sequence[np.ndarray]], Ids]:
    """Numbers by a tracker of MMDetection, -1 for those that it leaves out."""

    def run(boxes: Sequence[np.ndarray]) -> Ids:
        all_ids = []
        for index, rows in enumerate(boxes):
            sample = DetDataSample(metainfo=dict(frame_id=index))
            tensor = torch.from_numpy(rows)
            sample.pred_instances = InstanceData(bboxes=tensor[:, :4], scores=tensor[:, 4],
                                                 labels=torch.zeros(len(rows), dtype=torch.long))
            tracked = tracker.track(sample)
            ids = np.full(len(rows), -1)
            for box, number in zip(tracked.bboxes, tracked.instances_id):
                ids[int((tensor[:, :4] - box).abs().sum(dim=1).argmin())] = int(number)
            all_ids.append(ids)
        return all_ids

    return run


def common_joints(result: PoseResult) -> Dict[int, int]:
    """Index of a joint of COCO for each of the model's that COCO has."""
    return {i: KEYPOINT_NAMES.index(name) for i, name in enumerate(result.keypoint_names) if name in KEYPOINT_NAMES}


def ap(truth: Sequence[Truth], results: Sequence[PoseResult]) -> float:
    """OKS AP, 0 to 1; people of whom too little is in sight count neither way."""
    ours, theirs = zip(*common_joints(results[0]).items())
    annotations, found = [], []
    for image_id, (one, result) in enumerate(zip(truth, results), 1):
        for box, joints, share in zip(one.boxes, one.keypoints[:, list(theirs)], one.in_sight):
            x, y, w, h = (float(value) for value in (*box[:2], *(box[2:] - box[:2])))
            annotations.append(dict(id=len(annotations) + 1, image_id=image_id, category_id=1, bbox=[x, y, w, h],
                                    area=w * h * 0.53, iscrowd=int(share < IN_SIGHT), keypoints=joints.ravel().tolist(),
                                    num_keypoints=int((joints[:, 2] > 0).sum())))
        poses = np.concatenate([result.keypoints, result.keypoint_scores[..., None]], axis=2)[:, list(ours)]
        found += [dict(image_id=image_id, category_id=1, keypoints=pose.ravel().tolist(), score=float(score))
                  for pose, score in zip(poses, result.scores)]
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = dict(images=[dict(id=i + 1) for i in range(len(truth))], annotations=annotations,
                            categories=[dict(id=1, name='person')])
        coco.createIndex()
        judge = COCOeval(coco, coco.loadRes(found), 'keypoints')
        judge.params.kpt_oks_sigmas = np.array([SIGMAS[KEYPOINT_NAMES[i]] for i in theirs])
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
    return float(judge.stats[0])


def calmness(truth: Sequence[Truth], results: Sequence[PoseResult]) -> Dict[str, float]:
    """Jitter, the mean acceleration of the error, filtered over raw; and how many frames the filtered joints are late."""
    pairs = common_joints(results[0])
    paths: Dict[Any, List[Any]] = {}
    for index, (one, result) in enumerate(zip(truth, results)):
        likeness = overlaps(one.boxes, result.boxes)
        for person, number in enumerate(one.numbers):
            if likeness.shape[1] == 0 or likeness[person].max() < 0.7:
                continue
            i = int(likeness[person].argmax())
            for ours, theirs in pairs.items():
                if one.keypoints[person, theirs, 2] == 2 and result.keypoint_scores[i, ours] >= 0.7:
                    paths.setdefault((number, ours, int(result.track_ids[i])), []).append(
                        (index, *one.keypoints[person, theirs, :2], *result.raw_keypoints[i, ours], *result.keypoints[i, ours]))
    whole = [run for path in paths.values() for run in unbroken(np.array(path)) if len(run) >= 12]
    jitter = [np.concatenate([np.linalg.norm(np.diff(run[:, columns] - run[:, 1:3], 2, axis=0), axis=1)
                              for run in whole]).mean()
              for columns in ([3, 4], [5, 6])]
    late = []
    for columns in ([3, 4], [5, 6]):
        bias = [(run[:, columns] - run[:, 1:3]).mean(axis=0) for run in whole]  # a model's own idea of where a joint is
        for lag in np.arange(0, 3.01, 0.1):
            late.append([np.linalg.norm(delayed(run[:, 1:3], lag) + own - run[4:, columns], axis=1)
                         for run, own in zip(whole, bias)])
    errors = np.array([np.concatenate(one).mean() for one in late]).reshape(2, -1).argmin(axis=1) * 0.1
    return dict(jitter_raw_px=float(jitter[0]), jitter=float(jitter[1] / jitter[0]), lag_frames=float(errors[1] - errors[0]))


def unbroken(path: np.ndarray) -> List[np.ndarray]:
    """Parts of a path (T, 7) whose first column counts without a gap."""
    return np.split(path, np.flatnonzero(np.diff(path[:, 0]) != 1) + 1)


def delayed(truth: np.ndarray, lag: float) -> np.ndarray:
    """A path (T, 2) some frames late, without its first four."""
    times = np.arange(4, len(truth)) - lag
    return np.stack([np.interp(times, np.arange(len(truth)), truth[:, axis]) for axis in range(2)], axis=1)


if __name__ == '__main__':
    main()

"""What every precision that this machine has costs and gives: PCK and AP of trained weights, joints that move, time; and
what a joint's score says of its place.

    python benchmarks/precision.py --weights rsn18.safetensors \\
        --data lsp_test.json lsp_test.tar --data val.json val.tar --calibrate train.json train.tar

Photos are a folder or a tar file; boxes are those of the annotations. Half precision that this machine does not have is
computed by PyTorch all the same, slowly: what it does to joints is measured so, its time is not.
"""
import argparse
import tarfile
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import cv2
import numpy as np
import torch
from common import Report, parser, take_turns

from rsn_mm.apis.crops import CropRule
from rsn_mm.apis.pose_models import load_estimator
from rsn_mm.deploy import Joints, default_device, export_onnx, load_runtime, quantize
from rsn_mm.deploy.graph import PoseGraph
from rsn_mm.deploy.precision import DTYPES, torch_precisions
from rsn_mm.json_files import read_json

from xtcocotools.coco import COCO  # isort: skip  after rsn_mm, which stands in for it
from xtcocotools.cocoeval import COCOeval  # isort: skip

Runtime = Callable[[np.ndarray], Joints]
REFERENCE = 'PyTorch float32'
# Edges of the scores that are told apart.
SCORES = (-np.inf, 0.6, 0.7, 0.8, 0.9, 1., np.inf)


class People(NamedTuple):
    """Annotated people of one data set: crops (N, h, w, 3), boxes (N, 4), joints (N, K, 2) in image px, visible (N, K)."""
    name: str
    crops: np.ndarray
    boxes: np.ndarray
    joints: np.ndarray
    visible: np.ndarray
    annotations: List[dict]


def main() -> None:
    arguments = parser(__doc__.split(';')[0])
    arguments.add_argument('--config', default='rsn18_lsp_128x96', help='name or path of the model')
    arguments.add_argument('--weights', help='its checkpoint, where it is not part of the package')
    arguments.add_argument('--data', nargs=2, action='append', required=True, metavar=('JSON', 'PHOTOS'),
                           help='COCO annotations, and a folder or tar file; may be given again')
    arguments.add_argument('--calibrate', nargs=2, metavar=('JSON', 'PHOTOS'), help='other people to calibrate int8 with')
    arguments.add_argument('--calibration', type=int, default=200, help='how many of them')
    arguments.add_argument('--people', type=int, help='at most so many of each data set (default: all)')
    arguments.add_argument('--kept', nargs=2, type=float, metavar=('LEAST', 'MOST'),
                           help='photos end at a random share of the box from its top, boxes too (seeded)')
    arguments.add_argument('--emulated-people', type=int, default=200, help='so many of each for emulated half precision')
    arguments.add_argument('--device', default=default_device())
    args = arguments.parse_args()
    model = load_estimator(args.config, args.weights)
    rule = CropRule.from_pipeline(model.cfg.test_dataloader.dataset.pipeline)
    data = [read_people(Path(annotations), Path(photos), rule, args.people, args.kept) for annotations, photos in args.data]
    report = Report('precision', f'{args.config}: percent of PCK and AP, percent of joints within 1 px of {REFERENCE}')
    with tempfile.TemporaryDirectory() as folder:
        runtimes = make_runtimes(model, args, rule, Path(folder))
        times = take_turns({name: (lambda run=run: run(data[0].crops[:8])) for name, run in runtimes.items()
                            if 'emulated' not in name}, rounds=args.rounds, settle=True)
        expected = [runtimes[REFERENCE](people.crops) for people in data]
        for name, run in runtimes.items():
            ratio = {'time': times[name].median / times[REFERENCE].median} if name in times else {}
            values: Dict[str, Any] = {}
            for people, reference in zip(data, expected):
                some = args.emulated_people if 'emulated' in name else None
                values.update(measured(rule, model.dataset_meta, people, reference, run, some))
            report.add_values(name, **ratio, **values)
        if any('emulated' in name for name in runtimes):
            values = {}
            for people, reference in zip(data, expected):
                values.update(measured(rule, model.dataset_meta, people, reference, runtimes[REFERENCE], args.emulated_people))
            report.add_values(f'{REFERENCE}, people of the emulated', **values)
    for low, high in zip(SCORES, SCORES[1:]):
        values = {}
        for people, joints in zip(data, expected):
            values.update(of_scores(rule, people, joints, low, high))
        report.add_values(f'scores of {low:g} to {high:g}', **values)
    sizes = ', '.join(f'{len(people.crops)} of {people.name}' for people in data)
    report.note(f'People: {sizes}, annotated boxes, no flip test; emulated: the first {args.emulated_people} of each. '
                "time: of a batch of 8, PyTorch's float32 is 1. PCK by the longer side of the box. AP: OKS with the "
                "sigmas of the model's data set.\n")
    report.write(args.out)


def make_runtimes(model: torch.nn.Module, args: argparse.Namespace, rule: CropRule, folder: Path) -> Dict[str, Runtime]:
    """By name, the reference first."""
    available = torch_precisions(torch.device(args.device))
    runtimes: Dict[str, Runtime] = {REFERENCE: load_runtime(model, device=args.device, precision='float32')}
    for precision in ('bfloat16', 'float16'):
        if precision in available:
            runtimes[f'PyTorch {precision}'] = load_runtime(model, device=args.device, precision=precision)
        else:
            runtimes[f'PyTorch {precision}, emulated'] = emulated(model, precision)
    export_onnx(model, folder / 'float32.onnx')
    files = dict(float32=folder / 'float32.onnx')
    if args.calibrate:
        others = read_people(Path(args.calibrate[0]), Path(args.calibrate[1]), rule, args.calibration)
        quantize(files['float32'], folder / 'int8.onnx', others.crops)
        files['int8'] = folder / 'int8.onnx'
    for runtime, title in (('onnxruntime', 'ONNX Runtime'), ('openvino', 'OpenVINO')):
        for precision in ('float32', 'bfloat16', 'float16', 'int8'):
            file = files['int8' if precision == 'int8' else 'float32'] if precision != 'int8' or args.calibrate else None
            try:
                if file is not None:
                    runtimes[f'{title} {precision}'] = load_runtime(file, runtime, precision=precision)
            except (ImportError, ValueError) as refusal:
                print(f'left out: {refusal}')
    return runtimes


def emulated(model: torch.nn.Module, precision: str) -> Runtime:
    graph = PoseGraph(model, dtype=DTYPES[precision])

    @torch.inference_mode()
    def run(crops: np.ndarray) -> Joints:
        parts = [graph(torch.from_numpy(crops[i:i + 8])) for i in range(0, len(crops), 8)]
        return Joints(*(torch.cat(tensors).numpy() for tensors in zip(*parts)))

    return run


def measured(rule: CropRule, dataset_meta: dict, people: People, reference: Joints, run: Runtime,
             some: Optional[int]) -> Dict[str, float]:
    part = slice(some)
    joints = run(people.crops[part])
    found = rule.to_image(joints.keypoints, people.boxes[part])
    distance = np.linalg.norm(found - people.joints[part], axis=-1)
    side = longer_sides(people)[part]
    visible = people.visible[part]
    moved = np.linalg.norm(joints.keypoints - reference.keypoints[part], axis=-1)
    return {f'{people.name} PCK@0.2': 100 * float((distance < 0.2 * side)[visible].mean()),
            f'{people.name} PCK@0.1': 100 * float((distance < 0.1 * side)[visible].mean()),
            f'{people.name} AP': 100 * average_precision(people.annotations[part], found, joints.scores, dataset_meta),
            f'{people.name} within 1 px': 100 * float((moved < 1).mean())}


def of_scores(rule: CropRule, people: People, joints: Joints, low: float, high: float) -> Dict[str, float]:
    """PCK of the joints whose scores are in a range, and their share."""
    found = rule.to_image(joints.keypoints, people.boxes)
    right = np.linalg.norm(found - people.joints, axis=-1) < 0.2 * longer_sides(people)
    scores = joints.scores[people.visible]
    within = (low <= scores) & (scores < high)
    return {f'{people.name} PCK@0.2': 100 * float(right[people.visible][within].mean()) if within.any() else float('nan'),
            f'{people.name} share of joints': 100 * float(within.mean())}


def longer_sides(people: People) -> np.ndarray:
    """Of the boxes, (N, 1)."""
    return (people.boxes[:, 2:] - people.boxes[:, :2]).max(axis=1)[:, None]


def average_precision(annotations: List[dict], found: np.ndarray, scores: np.ndarray, dataset_meta: dict) -> float:
    names = [name for _, name in sorted(dataset_meta['keypoint_id2name'].items())]
    truth = COCO()
    truth.dataset = dict(images=[dict(id=one['image_id']) for one in annotations], annotations=annotations,
                         categories=[dict(id=1, name='person', keypoints=names, skeleton=[])])
    truth.createIndex()
    results = truth.loadRes([
        dict(image_id=one['image_id'], category_id=1, keypoints=np.column_stack([joints, score]).ravel().tolist(),
             score=float(score.mean())) for one, joints, score in zip(annotations, found, scores)])
    evaluation = COCOeval(truth, results, 'keypoints', np.asarray(dataset_meta['sigmas']), use_area=True)
    evaluation.evaluate()
    evaluation.accumulate()
    with redirect_stdout(StringIO()):
        evaluation.summarize()
    return float(evaluation.stats[0])


def read_people(annotation_file: Path, photos: Path, rule: CropRule, most: Optional[int],
                kept_share: Optional[Tuple[float, float]] = None) -> People:
    rng = np.random.default_rng(0)
    content = read_json(annotation_file)
    names = {image['id']: image['file_name'] for image in content['images']}
    annotations = [one for one in content['annotations'] if one['num_keypoints']][:most]
    wanted = {names[one['image_id']] for one in annotations}
    crops, boxes, kept = [], [], []
    of_image: Dict[str, List[dict]] = {}
    for one in annotations:
        of_image.setdefault(names[one['image_id']], []).append(one)
    for name, image in read_photos(photos, wanted):
        own = of_image[name]
        corners = np.array([one['bbox'] for one in own], np.float32)
        corners[:, 2:] += corners[:, :2]
        if kept_share:
            image, own = cut_below(image, own, corners, rng.uniform(*kept_share))
        crops.append(rule.crop(image, corners))
        boxes.append(corners)
        kept += own
    if len(kept) < len(annotations):
        print(f'{annotation_file}: {len(annotations) - len(kept)} people have no photo in {photos} and are left out')
    keypoints = np.array([one['keypoints'] for one in kept], np.float32).reshape(len(kept), -1, 3)
    return People(annotation_file.stem, np.concatenate(crops), np.concatenate(boxes), keypoints[..., :2], keypoints[..., 2] > 0,
                  kept)


def cut_below(image: np.ndarray, people: List[dict], corners: np.ndarray, share: float) -> Tuple[np.ndarray, List[dict]]:
    """The photo without what is below a share of the first box, boxes (N, 4) cut in place, joints there without labels."""
    end = max(1, round(float(corners[0, 1] + share * (corners[0, 3] - corners[0, 1]))))
    corners[:] = np.maximum(np.minimum(corners, [np.inf, end - 1, np.inf, end]), 0)
    left = []
    for person in people:
        joints = np.array(person['keypoints'], float).reshape(-1, 3)
        joints[joints[:, 1] >= end] = 0
        left.append(dict(person, keypoints=joints.ravel().tolist(), num_keypoints=int((joints[:, 2] > 0).sum())))
    return image[:end], left


def read_photos(photos: Path, wanted: set) -> Iterator[Tuple[str, np.ndarray]]:
    """Names and pictures (H, W, 3), of a folder or a tar file."""
    if photos.is_dir():
        found = ((name, (photos / name).read_bytes()) for name in sorted(wanted) if (photos / name).is_file())
    else:
        with tarfile.open(photos) as archive:
            found = [(Path(member.name).name, archive.extractfile(member).read()) for member in archive
                     if Path(member.name).name in wanted]
    for name, data in found:
        yield name, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


if __name__ == '__main__':
    main()

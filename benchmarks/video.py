"""Frames/s of a video with ten people: PoseInferencer against MMPose's MMPoseInferencer, same boxes, same weights.

Both get the boxes of every frame and compute RSN-18 at 256x192 without flip test; neither draws. MMPose runs its own RSN,
head and decoder. Then memory: a long video through PoseInferencer, overlays and JSON written.
"""
import argparse
import resource
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Tuple

import cv2
import numpy as np
import torch
from common import Report, parser, peak_mib, same_network, take_turns
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.structures import InstanceData
from mmpose.apis import MMPoseInferencer
from mmpose.structures import PoseDataSample

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.crops import CropRule
from rsn_mm.apis.pose_models import load_estimator
from rsn_mm.deploy import export_onnx, quantize
from rsn_mm.synthetic import draw_picture

OURS = 'rsn18_coco_256x192'
STOCK = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_rsn18_8xb32-210e_coco-256x192.py'
FLOAT32 = 'rsn18.onnx'
RULE = CropRule((192, 256), (1.09, 1.135))  # that of our config
WIDTH, HEIGHT = 1280, 720
COLUMNS, ROWS = 5, 2
STEP = 4  # px that everything moves from one frame to the next
BASELINE = 'MMPoseInferencer'


class Scene(NamedTuple):
    """A picture (720, 1280, 3) uint8 BGR of ten drawn people, and their boxes (10, 4), left, top, right, bottom in px."""
    image: np.ndarray
    boxes: np.ndarray

    def at(self, frame: int) -> Tuple[np.ndarray, np.ndarray]:
        """Picture and boxes at a frame: the scene drifts to and fro."""
        shift = STEP * (10 - abs(frame % 20 - 10))
        return np.roll(self.image, shift, axis=1), self.boxes + np.float32([shift, 0, shift, 0])


class GivenDetector:
    """Stands for a detector in MMPoseInferencer, whose own ``bboxes`` argument does nothing for top-down models.

    Its answer to the n-th call are the boxes of frame n.
    """

    def __init__(self, boxes: List[np.ndarray]) -> None:
        self._boxes = boxes
        self.frame = 0

    def __call__(self, image: Any, return_datasamples: bool) -> Dict[str, List[PoseDataSample]]:
        boxes = torch.from_numpy(self._boxes[self.frame])
        self.frame += 1
        found = InstanceData(bboxes=boxes, scores=torch.ones(len(boxes)), labels=torch.zeros(len(boxes), dtype=torch.long))
        return dict(predictions=[PoseDataSample(pred_instances=found)])


def main() -> None:
    arguments = parser(__doc__)
    arguments.set_defaults(rounds=5)
    arguments.add_argument('--frames', type=int, default=20, help='frames of the timed video')
    arguments.add_argument('--memory-frames', type=int, default=3000, help='frames of the video for memory, 0 for none')
    args = arguments.parse_args()
    report = Report('video', f'Video of 1280x720 with {COLUMNS * ROWS} people a frame, RSN-18 at 256x192, ms a frame')
    scene = make_scene()
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(Path(folder), scene)
        time_frames(report, args, scene, models, Path(folder))
        if args.memory_frames:
            measure_memory(report, args.memory_frames, scene, models, Path(folder))
    report.write(args.out)


def make_scene(seed: int = 0) -> Scene:
    """Ten drawn pictures of one person each, side by side, so that there are ten people and nobody is hidden."""
    width, height = WIDTH // COLUMNS, HEIGHT // ROWS
    image = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    boxes = []
    for number in range(COLUMNS * ROWS):
        picture, people = draw_picture('val', number, seed=seed, max_people=1, size_wh=(width, height))
        left, top = number % COLUMNS * width, number // COLUMNS * height
        image[top:top + height, left:left + picture.shape[1]] = picture
        x, y, w, h = people[0].box
        boxes.append([left + x, top + y, left + x + w, top + y + h])
    return Scene(image, np.array(boxes, np.float32))


def write_video(path: Path, scene: Scene, num_frames: int) -> List[np.ndarray]:
    """Write a video; the boxes of its frames."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*'mp4v'), 25., (WIDTH, HEIGHT))
    frames = [scene.at(number) for number in range(min(num_frames, 20))]
    for number in range(num_frames):
        writer.write(frames[number % 20][0])
    writer.release()
    return [frames[number % 20][1] for number in range(num_frames)]


class Models(NamedTuple):
    """Config of stock MMPose and the weights that both take; files of exported forms, or why there is none."""
    stock_config: str
    weights: str
    exported: Dict[str, str]
    missing: Dict[str, str]


def make_models(folder: Path, scene: Scene) -> Models:
    stock, ours = same_network(18)
    torch.save(dict(meta={}, state_dict=stock.state_dict()), folder / 'weights.pth')
    stock_config(STOCK).dump(folder / 'stock.py')
    exported: Dict[str, str] = {}
    missing: Dict[str, str] = {}
    for name, export in (('float32', export_float32), ('int8', export_int8)):
        try:
            exported[name] = export(folder, scene)
        except (ImportError, OSError, ValueError, RuntimeError) as error:
            missing[name] = str(error).splitlines()[0]
    return Models(str(folder / 'stock.py'), str(folder / 'weights.pth'), exported, missing)


def export_float32(folder: Path, scene: Scene) -> str:
    path = folder / FLOAT32
    export_onnx(load_estimator(OURS, str(folder / 'weights.pth')), path)
    return str(path)


def export_int8(folder: Path, scene: Scene) -> str:
    """Ranges are those of the people in the video, so that this is the best case for the poses; the time is the same."""
    path = folder / 'rsn18_int8.onnx'
    crops = (crop for number in range(10) for crop in RULE.crop(*scene.at(number)))
    quantize(folder / FLOAT32, path, crops)
    return str(path)


def time_frames(report: Report, args: argparse.Namespace, scene: Scene, models: Models, folder: Path) -> None:
    video = folder / 'people.mp4'
    boxes = write_video(video, scene, args.frames)
    rivals: Dict[str, Callable[[], int]] = {BASELINE: mmpose_rival(video, boxes, models)}
    for name, make in inferencers(models).items():
        try:
            rivals[name] = our_rival(make(), video, boxes)
        except (ImportError, ValueError, RuntimeError) as error:
            models.missing[name] = str(error).splitlines()[0]
    for name, rival in rivals.items():
        if rival() != args.frames:
            raise RuntimeError(f'{name} did not give a result for each of {args.frames} frames')
    timings = take_turns(rivals, rounds=args.rounds, warmup=1, settle=True)
    for name, timing in timings.items():
        report.add(name, timing, per=args.frames, baseline=timings[BASELINE], frames_per_s=args.frames / timing.median)
    for name, reason in models.missing.items():
        report.add_values(name, not_run=reason)


def inferencers(models: Models) -> Dict[str, Callable[[], PoseInferencer]]:
    """What to time, by the name of its row."""
    makers: Dict[str, Callable[[], PoseInferencer]] = dict(
        torch=lambda: PoseInferencer(OURS, models.weights, device='cpu'))
    for precision, path in models.exported.items():
        for runtime in ('onnxruntime', 'openvino'):
            makers[f'{runtime} {precision}'] = lambda path=path, runtime=runtime: PoseInferencer(
                path, device='cpu', runtime=runtime)
    return makers


def our_rival(inferencer: PoseInferencer, video: Path, boxes: List[np.ndarray]) -> Callable[[], int]:
    return lambda: count(inferencer(video, boxes=boxes))


def mmpose_rival(video: Path, boxes: List[np.ndarray], models: Models) -> Callable[[], int]:
    inferencer = MMPoseInferencer(
        pose2d=models.stock_config, pose2d_weights=models.weights, device='cpu', det_model='whole_image')
    return with_detector(inferencer, GivenDetector(boxes), video)


def stock_config(name: str) -> Config:
    """A config of MMPose by name, without weights for its backbone, and without flip test."""
    config: Config = get_config(name)
    config.model.backbone.init_cfg = None
    config.model.test_cfg.flip_test = False
    return config


def with_detector(inferencer: MMPoseInferencer, detector: GivenDetector, video: Path,
                  number: Callable[[Any], int] = lambda result: 1) -> Callable[[], int]:
    """Run it on a video, with ``detector`` in place of its own, and sum up ``number`` of its results."""
    inferencer.inferencer.detector = detector
    inferencer.inferencer.det_cat_ids = (0, )

    def run() -> int:
        detector.frame = 0
        return sum(map(number, inferencer(str(video))))

    return run


def measure_memory(report: Report, num_frames: int, scene: Scene, models: Models, folder: Path) -> None:
    """Resident memory after the 100th and after the last frame, two people a frame, numbered, calm, every fifth given."""
    video = folder / 'long.mp4'
    boxes = [found[:2] for found in write_video(video, scene, num_frames)]
    name, make = list(inferencers(models).items())[-1]
    resident: List[float] = []
    for _ in make()(video, boxes=boxes, det_every=5, track=True, smooth=True, out=folder / 'out'):
        resident.append(resident_mib())
    early = resident[min(99, num_frames - 1)]
    report.add_values(f'memory of {num_frames} frames, {name}', MiB_at_frame_100=early, MiB_at_the_end=resident[-1],
                      growth=f'{100 * (resident[-1] / early - 1):+.1f} %')


def resident_mib() -> float:
    """Resident memory now; where the system does not tell, its peak so far."""
    status = Path('/proc/self/statm')
    if status.is_file():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    return peak_mib()


def count(items: Iterator[Any]) -> int:
    """How many there are, none of them kept."""
    return sum(1 for _ in items)


if __name__ == '__main__':
    main()

"""Frames/s of a video with ten people and a detector before the poses: PoseInferencer, MMPoseInferencer, rtmlib's PoseTracker.

All get the weights that come with the package, so that people can be followed between detections, and an RTMDet-nano at
320x320, the detector that CPUs get by default. Its weights are random: it runs, its boxes are thrown away, and the true ones
stand in their place. rtmlib (``pip install rtmlib``) runs the same networks in ONNX Runtime or OpenVINO, one person at a time,
without its identities: with them PoseTracker of 0.0.16 takes poses by their number in the video, and soon loses everybody.
"""
import argparse
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence

import cv2
import numpy as np
import torch
from common import Report, parser, same_network, take_turns
from mmpose.apis import MMPoseInferencer
from safetensors.torch import load_file
from video import COLUMNS, ROWS, STOCK, GivenDetector, make_scene, stock_config, with_detector, write_video

from rsn_mm.apis import PoseInferencer
from rsn_mm.apis.configs import find_model
from rsn_mm.apis.crops import CropRule
from rsn_mm.apis.detectors import Boxes, MMDetDetector, boxes_from
from rsn_mm.apis.frames import Frame
from rsn_mm.apis.pose_models import load_estimator
from rsn_mm.apis.zoo import SHIPPED
from rsn_mm.deploy import export_onnx, quantize

WEIGHTS = Path(__file__).parents[1] / 'rsn_mm' / 'weights' / f'{SHIPPED}.safetensors'
DETECTOR = 'rtmdet_nano_person'
WIDTH_HEIGHT, NUM_JOINTS, DETECTOR_SIZE = (96, 128), 14, 320
EVERY = 5
PEOPLE = COLUMNS * ROWS
BASELINE = 'MMPoseInferencer'


class Clip(NamedTuple):
    path: Path
    boxes: List[np.ndarray]


class DetectsForNothing:
    """A detector that runs, and the boxes that are given."""

    def __init__(self, detector: MMDetDetector, boxes: Sequence[np.ndarray]) -> None:
        self._detector, self._boxes = detector, boxes
        self.frames_at_once = detector.frames_at_once
        self.calls = 0

    def __call__(self, frame: Frame, number: int) -> Boxes:
        return self.detect([frame])[0]

    def detect(self, frames: Sequence[Frame]) -> List[Boxes]:
        self._detector.detect(frames)
        self.calls += len(frames)
        return [boxes_from(self._boxes[frame.index], 'given') for frame in frames]


class StockDetectsForNothing(GivenDetector):
    """The same for MMPoseInferencer."""

    def __init__(self, detector: Any, boxes: List[np.ndarray]) -> None:
        super().__init__(boxes)
        self._detector = detector

    def __call__(self, image: Any, return_datasamples: bool) -> Dict[str, List[Any]]:
        self._detector(image, return_datasamples=True)
        return super().__call__(image, return_datasamples)


def main() -> None:
    arguments = parser(__doc__)
    arguments.set_defaults(rounds=5)
    arguments.add_argument('--frames', type=int, default=40, help='frames of the video')
    args = arguments.parse_args()
    report = Report('detecting', f'Video of 1280x720 with 10 people a frame, {DETECTOR} and {SHIPPED}, ms a frame')
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clip = Clip(folder / 'people.avi', write_video(folder / 'people.avi', make_scene(), args.frames))
        measure(report, args, clip, folder)
    report.write(args.out)


def measure(report: Report, args: argparse.Namespace, clip: Clip, folder: Path) -> None:
    detector = write_detector(folder)
    rivals: Dict[str, Callable[[], int]] = {BASELINE: mmpose_rival(clip, folder)}
    detectors: Dict[str, DetectsForNothing] = {}
    for name, make in inferencers(folder).items():
        inferencer = make()
        for every in (1, EVERY):
            key = name if every == 1 else f'{name}, det_every={every}'
            rivals[key] = our_rival(inferencer, detector, clip, every, detectors.setdefault(
                key, DetectsForNothing(detector, clip.boxes)))
    for backend in ('onnxruntime', 'openvino'):
        try:
            rivals[f'rtmlib {backend}, det_frequency={EVERY}'] = rtmlib_rival(clip, folder, backend, detector)
        except ImportError as error:
            report.add_values(f'rtmlib {backend}', not_run=str(error))
    for name, rival in rivals.items():
        if (people := rival()) != PEOPLE * args.frames:
            raise RuntimeError(f'{name} gave {people} poses of {PEOPLE} people in {args.frames} frames')
    seen = {name: one.calls for name, one in detectors.items()}  # of the one call so far
    timings = take_turns(rivals, rounds=args.rounds, warmup=0)
    for name, timing in timings.items():
        report.add(name, timing, per=args.frames, baseline=timings[BASELINE], frames_per_s=args.frames / timing.median,
                   detections=seen.get(name, args.frames if name == BASELINE else -(-args.frames // EVERY)))


def write_detector(folder: Path) -> MMDetDetector:
    find_model(DETECTOR, 'mmdet').config.dump(folder / 'detector.py')  # without the weights that its name stands for
    detector = MMDetDetector(str(folder / 'detector.py'), None, 'cpu', random_weights=True)
    torch.save(dict(meta={}, state_dict=detector.model.state_dict()), folder / 'detector.pth')
    return detector


def inferencers(folder: Path) -> Dict[str, Callable[[], PoseInferencer]]:
    """What to time, by the name of its row."""
    makers: Dict[str, Callable[[], PoseInferencer]] = dict(
        torch=lambda: PoseInferencer(SHIPPED, str(WEIGHTS), device='cpu', det='whole'))
    export_onnx(load_estimator(SHIPPED, str(WEIGHTS)), folder / 'float32.onnx')
    quantize(folder / 'float32.onnx', folder / 'int8.onnx', crops(make_scene()))
    for precision in ('float32', 'int8'):
        for runtime in ('onnxruntime', 'openvino'):
            makers[f'{runtime} {precision}'] = lambda path=str(folder / f'{precision}.onnx'), runtime=runtime: PoseInferencer(
                path, device='cpu', runtime=runtime, det='whole')
    return makers


def crops(scene: Any) -> Iterator[np.ndarray]:
    """Of the people in the video: the best case for the poses of int8; the time is the same."""
    rule = CropRule(WIDTH_HEIGHT, (1.09, 1.135))
    return (crop for number in range(10) for crop in rule.crop(*scene.at(number)))


def our_rival(inferencer: PoseInferencer, detector: MMDetDetector, clip: Clip, every: int,
              counted: DetectsForNothing) -> Callable[[], int]:

    def run() -> int:
        inferencer.detector = counted
        return sum(len(result.keypoints) for result in inferencer(clip.path, det_every=every))

    return run


def shipped_as_stock() -> torch.nn.Module:
    """Stock MMPose's network with the package's weights: by name through random weights, which both load."""
    stock, ours = same_network(18, 1, WIDTH_HEIGHT, NUM_JOINTS)
    theirs, values = stock.state_dict(), load_file(str(WEIGHTS))
    name_of = {fingerprint(value): name for name, value in ours.state_dict().items()}
    stock.load_state_dict({name: values[name_of[fingerprint(value)]].to(value.dtype) for name, value in theirs.items()})
    return stock


def fingerprint(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().numpy().tobytes()


def mmpose_rival(clip: Clip, folder: Path) -> Callable[[], int]:
    torch.save(dict(meta={}, state_dict=shipped_as_stock().state_dict()), folder / 'stock.pth')
    config = stock_config(STOCK)
    config.model.head.update(out_channels=NUM_JOINTS, out_shape=(WIDTH_HEIGHT[1] // 4, WIDTH_HEIGHT[0] // 4))
    for codec in (*config.codec, config.model.head.decoder):
        codec.update(input_size=WIDTH_HEIGHT, heatmap_size=(WIDTH_HEIGHT[0] // 4, WIDTH_HEIGHT[1] // 4))
    config.test_dataloader.dataset.pipeline[2].input_size = WIDTH_HEIGHT
    config.dump(folder / 'stock.py')
    inferencer = MMPoseInferencer(pose2d=str(folder / 'stock.py'), pose2d_weights=str(folder / 'stock.pth'), device='cpu',
                                  det_model=str(folder / 'detector.py'), det_weights=str(folder / 'detector.pth'),
                                  det_cat_ids=[0])
    return with_detector(inferencer, StockDetectsForNothing(inferencer.inferencer.detector, clip.boxes), clip.path,
                         lambda result: len(result['predictions'][0]))


def rtmlib_rival(clip: Clip, folder: Path, backend: str, detector: MMDetDetector) -> Callable[[], int]:
    import rtmlib
    heatmaps, boxes = folder / 'stock.onnx', folder / 'detector.onnx'
    if not boxes.is_file():
        stock = shipped_as_stock()
        to_onnx(torch.nn.Sequential(stock.backbone, LastOf(stock.head)), torch.rand(1, 3, *WIDTH_HEIGHT[::-1]), heatmaps)
        to_onnx(Forward(detector.model), torch.rand(1, 3, DETECTOR_SIZE, DETECTOR_SIZE), boxes)

    class Detects(rtmlib.RTMDet):

        def __call__(self, image: np.ndarray) -> np.ndarray:
            self.inference(self.preprocess(image)[0])
            return clip.boxes[tracker.frame_cnt]

    def solution(**options: Any) -> Any:
        made = rtmlib.Custom(pose_class='ViTPose', pose=str(heatmaps), pose_input_size=WIDTH_HEIGHT, **options)
        options.pop('to_openpose')
        made.det_model = Detects(str(boxes), (DETECTOR_SIZE, DETECTOR_SIZE), **options)
        return made

    tracker = rtmlib.PoseTracker(solution, det_frequency=EVERY, tracking=False, backend=backend)

    def run() -> int:
        tracker.reset()
        video, people = cv2.VideoCapture(str(clip.path)), 0
        while True:
            good, image = video.read()
            if not good:
                return people
            people += len(tracker(image)[0])

    return run


class LastOf(torch.nn.Module):
    """The heatmaps of the last unit."""

    def __init__(self, head: torch.nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, features: Any) -> torch.Tensor:
        return self.head(features)[-1]


class Forward(torch.nn.Module):
    """The network of a detector, without what makes boxes of it."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> Any:
        scores, boxes = self.model._forward(images)
        return [*scores, *boxes]


def to_onnx(network: torch.nn.Module, example: torch.Tensor, path: Path) -> None:
    torch.onnx.export(network.eval(), (example, ), path, dynamo=True, verbose=False)


if __name__ == '__main__':
    main()

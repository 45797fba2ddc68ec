"""Poses from pictures and video: reading, detection and cropping run beside the network, writing behind it."""
from collections import deque
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import Callable, Deque, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np

from ..deploy import default_device
from .arguments import check_count, check_flags, check_number
from .background import Deferred, Prefetch
from .carrying import CarriedPeople, Joints
from .detectors import Detector, GivenDetector
from .finding import People, SpacedDetection, carry, find_people, is_ready
from .frames import Frame, FrameReader, Source
from .given_boxes import GivenBoxes, given_boxes
from .person_detectors import load_detector
from .pose_models import default_batch_size, load_pose_model
from .results import PoseResult, Skipped
from .sources import Inputs, find_sources
from .stream import PoseStream
from .tracking import Follower
from .writers import PREDICTIONS, FolderWriter, check_folder

# Frames that wait in front of the detector, and to be written; in front of the network there is one batch of them.
FRAMES_AHEAD = 8
# Threads that cut crops, and how many of them at a time: 0.3 ms each at 256x192.
CUTTERS, CROPS_A_JOB = 4, 4
# Frames that wait where only some of them are detected, several at once.
MOST_AHEAD = 40


class _Batch(NamedTuple):
    """Frames, and the crops of all their people, (N, h, w, 3) uint8."""
    frames: List[People]
    crops: np.ndarray


class PoseInferencer:
    """Top-down pose estimation of pictures and video.

    >>> for result in PoseInferencer()('people.jpg', out='poses'):      # doctest: +SKIP
    ...     print(result.keypoints.shape)                               # (N, 17, 2) in pixels of the picture
    >>> inferencer = PoseInferencer('rsn18_coco_256x192', 'rsn18.pth')  # doctest: +SKIP

    Args:
        pose (str, optional): Name of one of our configs (``'rsn50_coco_256x192'`` or ``'rsn50'``), path of a config, a model or
            alias of MMPose's (``'mmpose::rtmpose-m'``), or an exported ``.onnx`` or ``.xml`` file. Defaults to the best that
            the device runs at a usable speed; see :func:`rsn_mm.apis.zoo.take_model`.
        weights (str, optional): Checkpoint, ours or one that MMPose has trained for its RSN; a path or an address. Defaults to
            those of the package or of its model index, which are downloaded once.
        det (str, optional): Name or config of an MMDetection detector, or ``'whole'``: one person who fills the picture.
            Defaults to RTMDet for people, downloaded once when a call gives no boxes.
        det_weights (str, optional): Its checkpoint.
        device (str, optional): ``'cpu'``, ``'cuda'``, ``'cuda:1'``. Defaults to the GPU, if the runtime can use one.
        runtime (str, optional): ``'torch'``, ``'onnxruntime'`` or ``'openvino'``. Defaults to ``'torch'`` for a config, and
            to ``'onnxruntime'`` for ``.onnx`` and ``'openvino'`` for ``.xml``.
        flip_test (bool, optional): Average with the heatmaps of the mirrored picture, as results on COCO are reported. Twice
            the time, so it is off by default; an exported file does what it was exported for.
        batch_size (int, optional): Most persons in one batch. All persons of the frames that are ready go into one batch.
            Defaults to 16 on a CPU and 64 on a GPU, 32 there with the flip test.
        precision (str): What the network computes in: ``'float32'``, ``'bfloat16'``, ``'float16'``, ``'int8'`` (files that hold
            it) or ``'auto'``: float32 on a CPU, float16 on a GPU with tensor cores, int8 for a file of that.
        box_threshold (float): Detections below are left out. Defaults to 0.3.
        nms_threshold (float): Detections that overlap a better one more than this (IoU) are left out. Defaults to 0.3.
        random_weights (bool): Allow weights to be missing.

    Raises:
        FileNotFoundError, ValueError: if a model has an unknown name, no weights, or an argument is out of its range.
        DownloadError: if weights cannot be downloaded, with what to do.
    """

    def __init__(self,
                 pose: Optional[str] = None,
                 weights: Optional[str] = None,
                 det: Optional[str] = None,
                 det_weights: Optional[str] = None,
                 device: Optional[str] = None,
                 runtime: Optional[str] = None,
                 *,
                 flip_test: Optional[bool] = None,
                 batch_size: Optional[int] = None,
                 precision: str = 'auto',
                 box_threshold: float = 0.3,
                 nms_threshold: float = 0.3,
                 random_weights: bool = False) -> None:
        check_number('box_threshold', box_threshold)
        check_number('nms_threshold', nms_threshold)
        check_flags(flip_test=False if flip_test is None else flip_test, random_weights=random_weights)
        if batch_size is not None:
            check_count('batch_size', batch_size, 'persons, at least 1')
        self.model = load_pose_model(pose, weights, runtime, device, flip_test, batch_size, random_weights, precision)
        self._load_detector = partial(load_detector, det, det_weights, device or default_device(), box_threshold, nms_threshold,
                                      random_weights)
        if det is not None or det_weights is not None:
            self.detector  # noqa: B018  loaded now, so that what is wrong with it is said now
        self.batch_size = batch_size or default_batch_size(self.model.device, bool(flip_test))
        self.box_threshold = box_threshold

    @cached_property
    def detector(self) -> Detector:
        """What finds the people where no boxes are given; the default one is loaded when first needed."""
        return self._load_detector()

    def __call__(self,
                 inputs: Inputs,
                 boxes: Optional[GivenBoxes] = None,
                 out: Union[str, Path, None] = None,
                 *,
                 overlays: bool = True,
                 score_threshold: Optional[float] = None,
                 progress: bool = False,
                 keep_images: bool = False,
                 track: bool = False,
                 smooth: Union[bool, float] = False,
                 det_every: int = 1) -> PoseStream:
        """Estimate poses, frame by frame.

        Args:
            inputs: A picture or video file, a folder, a pattern (``'*.jpg'``), a URL, a camera's number, an array (H, W, 3)
                uint8 BGR, or a list of these.
            boxes: Boxes in place of the detector's: COCO detections (a JSON file, see :class:`CocoBoxes`); or for each frame
                an array (N, 4) of left, top, right, bottom in px, or (N, 5) with scores; or one such array for one picture.
                Frames without boxes give results without poses, and are counted in the log.
            out (str | Path, optional): Folder for ``predictions.json`` (COCO-style) and pictures and videos with the poses
                drawn in. They are whole once the stream has ended or is closed.
            overlays (bool): Write those pictures and videos. Defaults to True.
            score_threshold (float, optional): Keypoints below are not drawn. Defaults to what suits the codec.
            progress (bool): Show a bar with frames/s on stderr. Defaults to False.
            keep_images (bool): Put the picture into each result. Defaults to False.
            track (bool): Give every person a number that stays theirs through a video (``track_ids``, ``track_id`` in the file,
                a colour each in the overlay). Needs norfair. Defaults to False.
            smooth (bool | float): Calm the joints of a video by a one-euro filter; a number is its strength, True is 1, 2 is
                calmer and later. Tracks, too; ``raw_keypoints`` are as they were. Pictures have no time, so theirs stay as
                they are, which is said. Defaults to False.
            det_every (int): Detect people in every so manieth frame of a video. In between boxes follow the people's own
                joints; where somebody's scores fall, that frame is detected, too. Of ``boxes`` those of these frames are used;
                the others are counted in the log. Defaults to 1: in every frame.

        Returns:
            PoseStream: Iterate over it for a :class:`PoseResult` a frame, in order. What could not be used is in its
            ``skipped``. Leaving the loop early, ``close()`` or a ``with`` block stops its threads.

        Raises:
            FileNotFoundError, ValueError, TypeError: if there is no such input, or boxes have a wrong shape, or ``smooth`` is
                no strength, or ``det_every`` no number of frames.
            ImportError: if ``track`` or ``smooth`` is asked for and norfair is not installed.
            NoDetectorError: if there are no boxes, and the default detector cannot be had.
        """
        check_count('det_every', det_every, 'frames, at least 1, which detects in each')
        check_flags(overlays=overlays, progress=progress, keep_images=keep_images, track=track)
        if score_threshold is not None:
            check_number('score_threshold', score_threshold)
        smooth = bool(smooth) if isinstance(smooth, np.bool_) else smooth
        skipped: List[Skipped] = []
        follow = Follower(self.model.score_threshold, smooth) if track or smooth is not False else None
        sources = find_sources(inputs, skipped)
        detector = self.detector if boxes is None else given_boxes(
            boxes, self.box_threshold, [source.name for source in sources])
        threshold = self.model.score_threshold if score_threshold is None else score_threshold
        open_writer = None
        if out is not None:
            out = check_folder(out, [source.name for source in sources] if overlays else [])
            own = (out, out / PREDICTIONS)  # where the folder of the results lies among the inputs
            skipped[:] = [one for one in skipped if Path(one.source) not in own]
            open_writer = partial(FolderWriter, out, self.model.meta, overlays, threshold, skipped)
        results = self._run(sources, detector, open_writer, skipped, keep_images, follow, det_every)
        return PoseStream(results, skipped, _total(sources) if progress else None, progress, out)

    def _run(self, sources: Sequence[Source], detector: Detector, open_writer: Optional[Callable[[], FolderWriter]],
             skipped: List[Skipped], keep_images: bool, follow: Optional[Follower],
             det_every: int) -> Iterator[PoseResult]:
        live = any(source.live for source in sources)
        # What waits in front of a camera's newest frame is late; frames without a detection do not fill a detector's batch.
        many = getattr(detector, 'frames_at_once', 1) > 1
        ahead = 1 if live else min(FRAMES_AHEAD * det_every, MOST_AHEAD) if many else FRAMES_AHEAD
        with ExitStack() as stack:  # left in the opposite order: threads stop, then files are closed
            write = None
            if open_writer is not None:
                writer = open_writer()
                stack.callback(writer.close)
                write = Deferred(writer.write, ahead)
                stack.callback(write.close)
            reader = FrameReader(sources, skipped)
            frames: Union[FrameReader, Prefetch[Frame]] = reader if live else Prefetch(reader, ahead)
            stack.callback(frames.close)
            cutters = stack.enter_context(ThreadPoolExecutor(CUTTERS, thread_name_prefix='rsn_mm-crops'))
            results: Iterator[Tuple[People, PoseResult]]
            if det_every == 1:
                batches = Prefetch(self._batches(frames, detector, cutters, skipped), 1)
                stack.callback(batches.close)
                results = self._results(batches, keep_images)
            else:
                spaced = SpacedDetection(detector, det_every, skipped, ahead)
                people = Prefetch(spaced(frames), ahead)
                stack.callback(people.close)
                results = self._carried(people, spaced, cutters, keep_images)
            stack.callback(reader.leave)
            for one, result in results:
                if follow is not None:
                    result = follow(one.frame, result)
                result = replace(result, latency=monotonic() - one.frame.arrived)
                if write is not None:
                    write(one.frame, result)
                yield result
            if isinstance(detector, GivenDetector):
                skipped += detector.left_out()
            if open_writer is not None:
                writer.complete = True

    def _batches(self, frames: Iterator[Frame], detector: Detector, cutters: Executor,
                 skipped: List[Skipped]) -> Iterator[_Batch]:
        """Frames that are ready together, up to a batch of persons. If one raises, those before it come first."""
        at_once = getattr(detector, 'frames_at_once', 1)
        for first in frames:
            group: List[People] = []
            error: Optional[Exception] = None
            taken = [first]
            while taken and error is None:
                while is_ready(frames) and len(taken) < at_once:
                    taken.append(next(frames))
                try:
                    for one in find_people(taken, detector, skipped):
                        group.append(one)
                except Exception as raised:
                    error = raised
                full = sum(len(one.boxes) for one in group) >= self.batch_size
                taken = [next(frames)] if is_ready(frames) and not full else []
            if group:
                yield _Batch(group, self._crops(group, cutters))
            if error is not None:
                raise error

    def _crops(self, group: Sequence[People], cutters: Executor) -> np.ndarray:
        """Crops of a group of frames, cut by several threads into memory that the device copies from."""
        crops = self.model.runtime.empty_crops(sum(len(one.boxes) for one in group))
        jobs, start = [], 0
        for one in group:
            for first in range(0, len(one.boxes), CROPS_A_JOB):
                boxes = one.boxes[first:first + CROPS_A_JOB]
                jobs.append(cutters.submit(self.model.crops.crop, one.frame.image, boxes, crops[start:start + len(boxes)]))
                start += len(boxes)
        for job in jobs:
            job.result()
        return crops

    def _carried(self, people: Iterator[People], spaced: SpacedDetection, cutters: Executor,
                 keep_images: bool) -> Iterator[Tuple[People, PoseResult]]:
        """One result for each frame. Boxes of a frame follow from the joints of the one before: frames come in turn."""
        carried = CarriedPeople(self.model.score_threshold)

        def estimate(one: People) -> Joints:
            keypoints, scores = self.model.runtime.submit(self._crops([one], cutters))()
            return Joints(self.model.crops.to_image(keypoints, one.boxes), scores)

        for one, joints in carry(people, carried, estimate, spaced.look_again):
            yield one, self._pose(one, *joints, keep_images)

    def _results(self, batches: Prefetch[_Batch], keep_images: bool) -> Iterator[Tuple[People, PoseResult]]:
        """Joints of a batch are fetched once the next has been sent: a GPU then never waits for the host. If no next one is
        ready, they are fetched at once."""
        under_way: Deque[Tuple[_Batch, Callable[[], Tuple[np.ndarray, np.ndarray]]]] = deque()
        for batch in batches:
            under_way.append((batch, self.model.runtime.submit(batch.crops)))
            hold = 1 if self.model.runtime.asynchronous and batches.ready else 0
            while len(under_way) > hold:
                sent, joints = under_way.popleft()
                yield from zip(sent.frames, self._poses(sent.frames, *joints(), keep_images))

    def _poses(self, group: Sequence[People], all_keypoints: np.ndarray, all_scores: np.ndarray,
               keep_images: bool) -> Iterator[PoseResult]:
        """One result for each frame of a group, from keypoints in input px."""
        ends = np.cumsum([len(one.boxes) for one in group])
        for one, keypoints, scores in zip(group, np.split(all_keypoints, ends[:-1]), np.split(all_scores, ends[:-1])):
            yield self._pose(one, self.model.crops.to_image(keypoints, one.boxes), scores, keep_images)

    def _pose(self, one: People, keypoints: np.ndarray, scores: np.ndarray, keep_images: bool) -> PoseResult:
        """The result of a frame, from keypoints in image px."""
        return PoseResult(
            source=one.frame.source,
            frame_index=one.frame.index,
            image_size=one.frame.image.shape[1::-1],
            boxes=one.boxes,
            box_scores=one.box_scores,
            keypoints=keypoints,
            keypoint_scores=scores,
            scores=scores.mean(axis=1) * one.box_scores,
            meta=self.model.meta,
            time=one.frame.time or 0.,
            skipped_boxes=one.skipped_boxes,
            image=one.frame.image if keep_images else None)


def _total(sources: Sequence[Source]) -> Optional[int]:
    counts = [source.num_frames for source in sources]
    return None if None in counts else sum(count for count in counts if count is not None)

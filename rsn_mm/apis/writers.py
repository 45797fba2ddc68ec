"""Results on disk: pictures and videos with poses drawn in, and COCO-style JSON. A file is there whole or not at all."""
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, TextIO, Tuple

import cv2
import numpy as np

from ..files import whole_or_not
from .drawing import draw_poses
from .results import PoseMeta, PoseResult
from .sources import PICTURE_SUFFIXES, Frame

PREDICTIONS = 'predictions.json'
CODEC = 'mp4v'


def coco_image(result: PoseResult, image_id: int) -> Dict[str, Any]:
    """The entry of a result's picture in COCO's ``images``."""
    width, height = result.image_size
    return dict(id=image_id, file_name=result.source, frame_index=result.frame_index, width=width, height=height)


def coco_category(meta: PoseMeta) -> Dict[str, Any]:
    """The entry of persons in COCO's ``categories``; its skeleton counts keypoints from 1."""
    return dict(id=1, name='person', keypoints=list(meta.keypoint_names), skeleton=[[a + 1, b + 1] for a, b in meta.skeleton])


class JsonWriter:
    """All poses in one COCO-style file: ``images`` (``id`` from 1, ``file_name``, ``frame_index``, ``width``,
    ``height``), ``annotations`` (see :meth:`PoseResult.to_coco`, each with an ``id``) and ``categories``.

    Poses go to the disk as they come, so that memory stays flat; the file gets its name when it is closed.

    Args:
        path (Path): File to write, in a folder that exists.
        meta (PoseMeta): Names and skeleton.
    """

    def __init__(self, path: Path, meta: PoseMeta) -> None:
        self.path = path
        self._meta = meta
        self._images: List[str] = []
        self._num_poses = 0
        self._stack = ExitStack()
        unfinished = self._stack.enter_context(whole_or_not(path))
        self._file: TextIO = self._stack.enter_context(open(unfinished, 'w', encoding='utf-8'))
        self._file.write('{"annotations": [')

    def write(self, result: PoseResult) -> None:
        image_id = len(self._images) + 1
        self._images.append(json.dumps(coco_image(result, image_id)))
        for pose in result.to_coco(image_id):
            self._num_poses += 1
            self._file.write((',\n' if self._num_poses > 1 else '\n') + json.dumps(dict(id=self._num_poses, **pose)))

    def close(self) -> None:
        """Make the file whole with what has been written so far."""
        with self._stack:
            self._file.write('\n],\n"images": [\n' + ',\n'.join(self._images) + '\n],\n"categories": '
                             + json.dumps([coco_category(self._meta)]) + '}\n')


class VideoWriter:
    """An MP4 file; it gets its name when it is closed.

    Args:
        path (Path): File to write, in a folder that exists, with the suffix ``.mp4``.
        fps (float): Frames a second.
        size (tuple[int, int]): Width and height in px.

    Raises:
        OSError: if OpenCV cannot write such a video.
    """

    def __init__(self, path: Path, fps: float, size: Tuple[int, int]) -> None:
        self.path = path
        self._size = size
        # OpenCV tells the container from the suffix.
        self._unfinished = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
        self._writer = cv2.VideoWriter(str(self._unfinished), cv2.VideoWriter.fourcc(*CODEC), fps, size)
        if not self._writer.isOpened():
            raise OSError(f'{str(path)!r} cannot be written: OpenCV opens no MP4 file of {size[0]}x{size[1]} at {fps:g} '
                          'frames a second there. Give a folder that can be written to, or leave overlays out.')

    def write(self, image: np.ndarray) -> None:
        """A frame of another size than the first is brought to that."""
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size)
        self._writer.write(image)

    def close(self) -> None:
        self._writer.release()
        os.replace(self._unfinished, self.path)


class FolderWriter:
    """Everything into one folder: ``predictions.json``, and each picture and video under its own name.

    Args:
        out (Path): The folder, made if missing.
        meta (PoseMeta): Names and skeleton.
        overlays (bool): Write pictures and videos, too.
        score_threshold (float): Keypoints below are not drawn.
    """

    def __init__(self, out: Path, meta: PoseMeta, overlays: bool, score_threshold: float) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.out = out
        self._overlays = overlays
        self._score_threshold = score_threshold
        self._taken: Set[str] = {PREDICTIONS}
        self._video: Optional[VideoWriter] = None
        self._video_source: Optional[str] = None
        self._json = JsonWriter(out / PREDICTIONS, meta)

    def write(self, frame: Frame, result: PoseResult) -> None:
        self._json.write(result)
        if not self._overlays:
            return
        drawn = draw_poses(frame.image, result, self._score_threshold)
        if frame.fps is None:
            _write_picture(self._free_path(frame.source, '.png'), drawn)
            return
        if frame.index == 0 or self._video is None or self._video_source != frame.source:
            self._close_video()
            self._video = VideoWriter(self._free_path(frame.source, '.mp4'), frame.fps, result.image_size)
            self._video_source = frame.source
        self._video.write(drawn)

    def close(self) -> None:
        """Make all files whole with what has been written so far."""
        try:
            self._close_video()
        finally:
            self._json.close()

    def _close_video(self) -> None:
        if self._video is not None:
            video, self._video = self._video, None
            video.close()

    def _free_path(self, source: str, suffix: str) -> Path:
        """A name of its own for each source, also where sources of two folders are called the same."""
        name = Path(source.replace('://', '_').replace(' ', '_')).name
        if suffix == '.mp4':
            name = f'{Path(name).stem}.mp4'
        elif Path(name).suffix.lower() not in PICTURE_SUFFIXES:
            name += suffix
        stem, suffix, copies = Path(name).stem, Path(name).suffix, 1
        while name in self._taken:
            copies += 1
            name = f'{stem}_{copies}{suffix}'
        self._taken.add(name)
        return self.out / name


def check_folder(out: Path, inputs: Sequence[str]) -> None:
    """Refuse to draw over inputs.

    Raises:
        ValueError: if ``out`` is a file, or one of ``inputs`` (names of sources) lies in it.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f'out={str(out)!r} is a file. Give a folder; it is made if missing.')
    for name in inputs:
        if Path(name).exists() and Path(name).parent.resolve() == out.resolve():
            raise ValueError(f'out={str(out)!r} is the folder of the input {name!r}, which an overlay of the same name would '
                             'replace. Give another folder, or leave overlays out.')


def _write_picture(path: Path, image: np.ndarray) -> None:
    written, data = cv2.imencode(path.suffix, image)
    if not written:
        raise OSError(f'{str(path)!r} cannot be written: OpenCV has no encoder for {path.suffix!r}.')
    with whole_or_not(path) as unfinished:
        unfinished.write_bytes(data.tobytes())

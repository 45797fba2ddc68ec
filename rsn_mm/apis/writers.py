"""Results on disk: pictures and videos with poses drawn in, and COCO-style JSON. A file is there whole or not at all."""
import errno
import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set, TextIO, Union, cast
from urllib.parse import urlsplit

import cv2
import numpy as np

from ..files import given_path, whole_or_not
from .drawing import draw_poses
from .frames import Frame
from .results import PoseMeta, PoseResult, Skipped
from .video_writer import CannotEncode, VideoWriter

PREDICTIONS = 'predictions.json'
# Errors of one file, where others can be written: a full disk has them all.
OF_ITS_NAME = (errno.EISDIR, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ)
# Frames a second of a live source, before it is known: bits of its overlay follow from it.
LIVE_RATE = 30.


def coco_image(result: PoseResult, image_id: int) -> Dict[str, Any]:
    """The entry of a result's picture in COCO's ``images``."""
    width, height = result.image_size
    return dict(id=image_id, file_name=result.source, frame_index=result.frame_index, time=round(result.time, 6),
                width=width, height=height)


def coco_category(meta: PoseMeta) -> Dict[str, Any]:
    """The entry of persons in COCO's ``categories``; its skeleton counts keypoints from 1."""
    return dict(id=1, name='person', keypoints=list(meta.keypoint_names), skeleton=[[a + 1, b + 1] for a, b in meta.skeleton])


def coco_info(complete: bool, skipped: Sequence[Skipped]) -> Dict[str, Any]:
    """Whether a file holds all frames of its sources, and what is not in it."""
    return dict(complete=complete, skipped=[one._asdict() for one in skipped])


class JsonWriter:
    """All poses in one COCO-style file: ``images`` (``id`` from 1, ``file_name``, ``frame_index``, ``time`` in s, ``width``,
    ``height``), ``annotations`` (see :meth:`PoseResult.to_coco`, each with an ``id``), ``categories``, and ``info``: whether
    the file is ``complete`` or ended early, and what was ``skipped`` (``source``, ``reason``).

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

    def close(self, complete: bool, skipped: Sequence[Skipped]) -> None:
        """Make the file whole with what has been written so far."""
        with self._stack:
            self._file.write('\n],\n"images": [\n' + ',\n'.join(self._images) + '\n],\n"categories": '
                             + json.dumps([coco_category(self._meta)]) + ',\n"info": '
                             + json.dumps(coco_info(complete, skipped)) + '}\n')


class FolderWriter:
    """Everything into one folder: ``predictions.json``, and each picture and video under its own name.

    Args:
        out (Path): The folder, made if missing.
        meta (PoseMeta): Names and skeleton.
        overlays (bool): Write pictures and videos, too.
        score_threshold (float): Keypoints below are not drawn.
        skipped (list[Skipped]): Overlays that cannot be written are added here.

    Attributes:
        complete (bool): Whether all frames have come; to be set before :meth:`close`.
    """

    def __init__(self, out: Path, meta: PoseMeta, overlays: bool, score_threshold: float, skipped: List[Skipped]) -> None:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f'out={str(out)!r} cannot be made: {error.strerror or error}. Give a folder that can be written '
                             'to.') from error
        self.out = out
        self.complete = False
        self._overlays = overlays
        self._score_threshold = score_threshold
        self._skipped = skipped
        self._taken: Set[str] = {PREDICTIONS}
        self._video: Optional[VideoWriter] = None
        self._video_source: Optional[str] = None
        self._json = JsonWriter(out / PREDICTIONS, meta)

    def write(self, frame: Frame, result: PoseResult) -> None:
        self._json.write(result)
        if not self._overlays:
            return
        drawn = draw_poses(frame.image, result, self._score_threshold)
        if frame.time is None:
            self._write_picture(frame.source, drawn)
            return
        if frame.index == 0 or self._video_source != frame.source:
            self._close_video()
            self._open_video(frame, result)
        if self._video is not None:
            try:
                self._video.write(drawn, frame)
            except OSError as error:  # the file is opened for the first packet
                video, self._video = self._video, None
                self._lose_overlay(frame.source, video.path, error)

    def close(self) -> None:
        """Make all files whole with what has been written so far."""
        try:
            self._close_video()
        finally:
            self._json.close(self.complete, self._skipped)

    def _open_video(self, frame: Frame, result: PoseResult) -> None:
        self._video_source = frame.source
        rate = min(max(1 / frame.duration if frame.duration else LIVE_RATE, 1.), 1000.)
        try:
            self._video = VideoWriter(self._free_path(frame.source, '.mp4'), result.image_size, rate)
        except CannotEncode as error:
            self._skipped.append(Skipped(frame.source, f'its overlay cannot be written: {error}'))

    def _close_video(self) -> None:
        source, self._video_source = self._video_source, None
        if self._video is not None:
            video, self._video = self._video, None
            try:
                video.close()
            except OSError as error:
                self._lose_overlay(cast(str, source), video.path, error)

    def _lose_overlay(self, source: str, path: Path, error: OSError) -> None:
        """Count an overlay that its name keeps from being written; raise any other error."""
        if error.errno not in OF_ITS_NAME:
            raise error
        self._skipped.append(Skipped(source, f'its overlay {str(path)!r} cannot be written: {error.strerror}'))

    def _write_picture(self, source: str, image: np.ndarray) -> None:
        """In the format of the source, or as PNG where OpenCV does not write that."""
        name = _file_name(source)
        for suffix in dict.fromkeys((Path(name).suffix.lower(), '.png')):
            data = _encode(suffix, image)
            if data is not None:
                kept = Path(name).suffix.lower() == suffix
                path = self._free_path(source, Path(name).suffix if kept else suffix)
                try:
                    _write_picture(path, data)
                except OSError as error:
                    self._lose_overlay(source, path, error)
                return
        self._skipped.append(Skipped(source, 'its overlay cannot be written: OpenCV writes no PNG of '
                                     f'{image.shape[1]}x{image.shape[0]} px'))

    def _free_path(self, source: str, suffix: str) -> Path:
        """A name of its own for each source, also where sources of two folders are called the same."""
        own = Path(_file_name(source))
        stem = own.stem if own.suffix else own.name
        name, copies = stem + suffix, 1
        while name.lower() in self._taken:  # some file systems know no capitals
            copies += 1
            name = f'{stem}_{copies}{suffix}'
        self._taken.add(name.lower())
        return self.out / name


def check_folder(out: Union[str, Path], inputs: Sequence[str]) -> Path:
    """The folder ``out``, where inputs are not drawn over.

    Raises:
        TypeError, ValueError: if ``out`` is empty, a file or no path, or one of ``inputs`` (names of sources) lies in it.
    """
    if out == '':
        raise ValueError('out is an empty text. Give a folder, "." for that in which the program runs; it is made if missing.')
    out = given_path('out', out)
    if out.exists() and not out.is_dir():
        raise ValueError(f'out={str(out)!r} is a file. Give a folder; it is made if missing.')
    if (out / PREDICTIONS).is_dir():
        raise ValueError(f'{str(out / PREDICTIONS)!r} is a folder, where a file of this name has to be written. Give another '
                         'folder as out.')
    for name in inputs:
        if out.is_dir() and os.path.exists(name) and os.path.samefile(Path(name).parent, out):
            raise ValueError(f'out={str(out)!r} is the folder of the input {name!r}, which an overlay of the same name would '
                             'replace. Give another folder, or leave overlays out.')
    return out


def _file_name(source: str) -> str:
    """The last part of a path or of a URL, without its query."""
    if '://' in source:
        address = urlsplit(source)
        source = address.path if Path(address.path).name else address.netloc.replace(':', '_')
    return Path(source.replace(' ', '_') if source.startswith(('array ', 'camera ')) else source).name


def _encode(suffix: str, image: np.ndarray) -> Optional[bytes]:
    """A picture's file; None if OpenCV writes no such format, or not of this size."""
    if not suffix:
        return None
    try:
        written, data = cv2.imencode(suffix, image)
    except cv2.error:
        return None
    return data.tobytes() if written else None


def _write_picture(path: Path, data: bytes) -> None:
    with whole_or_not(path) as unfinished:
        unfinished.write_bytes(data)

"""Cameras and streams: the newest frame, never a backlog."""
import time
from contextlib import closing
from typing import Iterator, NamedTuple, Optional

import cv2
import numpy as np

from ..pictures import UnusableInput, as_bgr
from .background import Newest
from .frames import Frame, Source
from .videos import Decoder, has_clock, open_stream, video_stream


class _Captured(NamedTuple):
    """A frame's number, its picture, when it came, in s since the first one, and by ``time.monotonic()``."""
    number: int
    image: np.ndarray
    time: float
    arrived: float


class Live:
    """A source whose frames come by themselves, read in a thread of its own.

    Args:
        name (str): What it is called in results.
    """
    live = True
    num_frames: Optional[int] = None
    _newest: Optional[Newest[_Captured]] = None

    def __init__(self, name: str) -> None:
        self.name = name

    def frames(self) -> Iterator[Frame]:
        """Frames as they are wanted: each time the newest; what came in between is left out, as the frames' numbers tell."""
        with closing(Newest(self._captured())) as self._newest:
            for index, image, when, arrived in self._newest:
                yield Frame(self.name, index, image, when, arrived=arrived)

    def leave(self) -> None:
        """Let whoever waits for a frame, in whatever thread, wait no longer."""
        if self._newest is not None:
            self._newest.close()

    def _captured(self) -> Iterator[_Captured]:
        raise NotImplementedError


class Camera(Live):
    """A camera of this machine.

    Args:
        number (int): As OpenCV counts them, from 0.

    Raises:
        ValueError: if it is none; OpenCV ends the process at some.
    """

    def __init__(self, number: int) -> None:
        if not 0 <= number < 2**31:
            raise ValueError(f'{number} is no number of a camera: they are counted from 0.')
        super().__init__(f'camera {number}')
        self._number = number

    def _captured(self) -> Iterator[_Captured]:
        capture = cv2.VideoCapture(self._number)
        try:
            if not capture.isOpened():
                raise UnusableInput('it cannot be opened')
            index, start = 0, 0.
            while True:
                got, image = capture.read()
                now = time.monotonic()
                if not got:
                    break
                start = start or now
                yield _Captured(index, as_bgr(image), now - start, now)
                index += 1
            raise UnusableInput(f'it gave no further frame after {index}')
        finally:
            capture.release()


class Stream(Live):
    """A stream with a URL that ends when its sender ends it (``rtsp://``, ``udp://``, MJPEG over HTTP, ...).

    Args:
        name (str): Where it is: its URL.
    """

    def _captured(self) -> Iterator[_Captured]:
        with open_stream(self.name) as container:
            start, last, clock = time.monotonic(), -1., has_clock(container)
            for index, (image, sent, _) in enumerate(Decoder(container, video_stream(container))):
                now = time.monotonic() - start
                if index == 0:
                    start, now = time.monotonic(), 0.
                # The sender's clock, where it has one; ours would count the delays of the network.
                last = sent if clock and sent is not None and sent > last else max(now, last + 1e-3)
                yield _Captured(index, image, last, time.monotonic())


class Played(Live):
    """A source of frames with times, played at its own speed as a camera would show it: what comes too fast is left out.

    Args:
        source (Source): A video.
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self._source = source

    def _captured(self) -> Iterator[_Captured]:
        start: Optional[float] = None
        for frame in self._source.frames():
            now, shown = time.monotonic(), frame.time or 0.
            start = now - shown if start is None else start
            time.sleep(max(start + shown - now, 0))
            yield _Captured(frame.index, frame.image, shown, time.monotonic())

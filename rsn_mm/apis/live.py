"""Cameras and streams: the newest frame, never a backlog."""
import time
from contextlib import closing
from typing import Callable, Iterator, NamedTuple, Optional

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


class Camera:
    """A camera of this machine.

    Args:
        number (int): As OpenCV counts them, from 0.

    Raises:
        ValueError: if it is none; OpenCV ends the process at some.
    """
    live = True
    num_frames: Optional[int] = None

    def __init__(self, number: int) -> None:
        if not 0 <= number < 2**31:
            raise ValueError(f'{number} is no number of a camera: they are counted from 0.')
        self.name = f'camera {number}'
        self._number = number

    def frames(self) -> Iterator[Frame]:
        return newest(self.name, self._captured)

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


class Stream:
    """A stream with a URL that ends when its sender ends it (``rtsp://``, ``udp://``, MJPEG over HTTP, ...).

    Args:
        url (str): Where it is.
    """
    live = True
    num_frames: Optional[int] = None

    def __init__(self, url: str) -> None:
        self.name = url

    def frames(self) -> Iterator[Frame]:
        return newest(self.name, self._captured)

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


class Played:
    """A source of frames with times, played at its own speed as a camera would show it: what comes too fast is left out.

    Args:
        source (Source): A video.
    """
    live = True
    num_frames: Optional[int] = None

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self._source = source

    def frames(self) -> Iterator[Frame]:
        return newest(self.name, self._captured)

    def _captured(self) -> Iterator[_Captured]:
        start: Optional[float] = None
        for frame in self._source.frames():
            now, shown = time.monotonic(), frame.time or 0.
            start = now - shown if start is None else start
            time.sleep(max(start + shown - now, 0))
            yield _Captured(frame.index, frame.image, shown, time.monotonic())


def newest(name: str, captured: Callable[[], Iterator[_Captured]]) -> Iterator[Frame]:
    """Frames as they are wanted: each time the newest; what came in between is left out, as the frames' numbers tell."""
    with closing(Newest(captured())) as frames:
        for index, image, when, arrived in frames:
            yield Frame(name, index, image, when, arrived=arrived)

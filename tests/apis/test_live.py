"""Cameras and streams: the newest frame, with its time and its number."""
import threading
import time
from pathlib import Path
from typing import List

import cv2
import numpy as np
import pytest

from rsn_mm.apis import PoseInferencer, background
from rsn_mm.apis.background import Newest
from rsn_mm.apis.frames import Frame, FrameReader
from rsn_mm.apis.live import Played, Stream
from rsn_mm.apis.sources import find_sources


class FastCamera:
    """Gives a frame each 5 ms, as bright as its number, 60 of them."""

    def __init__(self, number: int) -> None:
        self.count = 0

    def isOpened(self) -> bool:  # noqa: N802  # OpenCV's name
        return True

    def read(self):
        time.sleep(0.005)
        self.count += 1
        return self.count <= 60, np.full((4, 4, 3), self.count - 1, np.uint8)

    def release(self) -> None:
        pass


def test_a_slow_reader_sees_the_newest_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, 'VideoCapture', FastCamera)
    skipped: List = []
    frames = []
    for frame in FrameReader(find_sources(0, []), skipped):
        frames.append(frame)
        time.sleep(0.05)
    numbers = [frame.index for frame in frames]
    assert len(numbers) < 30 and numbers[-1] == 59 and all(frame.image[0, 0, 0] == frame.index for frame in frames)
    times = [frame.time for frame in frames]
    assert times == sorted(times) and times[0] < 0.1 and 0.2 < times[-1]
    assert 'no further frame after 60' in skipped[0].reason


def test_newest_ends_and_raises_and_stops() -> None:
    assert list(Newest([])) == [] and list(Newest([7])) == [7]

    def broken():
        yield 1
        raise RuntimeError('lost')

    newest = Newest(broken())
    with pytest.raises(RuntimeError, match='lost'):
        for _ in newest:
            time.sleep(0.01)
    newest.close()


def test_a_stream_without_times_has_those_of_its_coming(tmp_path: Path) -> None:
    """ffmpeg takes MJPEG for 25 frames a second, whatever its camera does."""
    data = cv2.imencode('.jpg', np.zeros((16, 16, 3), np.uint8))[1].tobytes()
    (tmp_path / 'a.mjpeg').write_bytes(b''.join(
        b'--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n' % (len(data), data) for _ in range(50)))
    start = time.monotonic()
    times = [frame.time for frame in Stream(str(tmp_path / 'a.mjpeg'))._captured()]
    assert len(times) == 50 and times[0] == 0 and all(np.diff(times) > 0)
    assert times[-1] < time.monotonic() - start + 0.05


def test_a_played_video_comes_at_its_own_speed_and_counts_waiting() -> None:
    class Video:
        name, live, num_frames = 'clip', False, 10

        def frames(self):
            for index in range(10):
                yield Frame('clip', index, np.full((4, 4, 3), index, np.uint8), index / 50, 0.02)

    start = time.monotonic()
    frames = []
    for frame in FrameReader(find_sources(Played(Video()), []), []):
        frames.append(frame)
        time.sleep(0.05)
    assert 0.15 < time.monotonic() - start
    assert frames[0].index == 0 and frames[-1].index == 9 and len(frames) < 10
    assert [frame.time for frame in frames] == [frame.index / 50 for frame in frames]
    assert all(start <= frame.arrived for frame in frames)


@pytest.mark.parametrize('det_every', [1, 5])
def test_a_source_that_hangs_is_left_at_once(inferencer: PoseInferencer, monkeypatch: pytest.MonkeyPatch,
                                             det_every: int) -> None:
    monkeypatch.setattr(background, 'LEAVING', 0.2)
    sends = threading.Event()

    class Hanging:
        name, live, num_frames = 'hanging', False, None

        def frames(self):
            yield Frame('hanging', 0, np.zeros((32, 32, 3), np.uint8), 0.)
            sends.wait(20)

    class NotBegun:
        name, live, num_frames = 'later', False, None

        def frames(self):
            pytest.fail('it is read although the stream was left')

    stream = inferencer([Played(Hanging()), Played(NotBegun())], det_every=det_every)
    next(stream)
    start = time.monotonic()
    stream.close()
    took = time.monotonic() - start
    sends.set()
    assert took < 5 and not stream.skipped

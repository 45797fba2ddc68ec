"""Cameras and streams: the newest frame, with its time and its number."""
import time
from typing import List

import cv2
import numpy as np
import pytest

from rsn_mm.apis.background import Newest
from rsn_mm.apis.sources import find_sources, read_frames


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
    for frame in read_frames(find_sources(0, []), skipped):
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

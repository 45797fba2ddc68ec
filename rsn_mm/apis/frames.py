"""What every source gives: pictures with their place and time."""
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Generator, Iterator, List, Optional, Protocol, Sequence

import numpy as np

from ..pictures import UnusableInput
from .results import Skipped


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture and where it comes from.

    Attributes:
        source (str): Name of its source.
        index (int): Its number there, from 0. A live source counts the frames that it did not show, too.
        image (np.ndarray): (H, W, 3) uint8 BGR.
        time (float, optional): Seconds since the first frame of a video or an animation; None for a still picture.
        duration (float, optional): Seconds for which it is shown, up to the next frame; None for a still picture, and for a
            live source, whose next frame is not known.
        number (int): Its number among the frames of all inputs, those that could not be read included.
        arrived (float): When it came, by ``time.monotonic()``.
    """
    source: str
    index: int
    image: np.ndarray
    time: Optional[float] = None
    duration: Optional[float] = None
    number: int = 0
    arrived: float = field(default_factory=monotonic)


def begins(frame: Frame, last: Optional[Frame]) -> bool:
    """Whether what was in the ``last`` frame says nothing about this one: a picture, another video, another size."""
    return last is None or frame.time is None or frame.source != last.source or frame.index <= last.index \
        or frame.image.shape != last.image.shape


class Source(Protocol):
    """Where frames come from.

    Attributes:
        name (str): Path, URL, ``camera 0`` or ``array 3``.
        live (bool): Whether frames come by themselves, wanted or not; those that come too fast are left out.
        num_frames (int, optional): How many there are, if that is known.
    """
    name: str
    live: bool

    @property
    def num_frames(self) -> Optional[int]:
        ...

    def frames(self) -> Iterator[Frame]:
        """The frames, in order.

        Raises:
            UnusableInput: where they end although there should be more.
        """
        ...


class FrameReader(Iterator[Frame]):
    """Frames of all sources, numbered.

    Args:
        sources (Sequence[Source]): Where they come from, one after the other.
        skipped (list[Skipped]): What cannot be used is added here.
    """

    def __init__(self, sources: Sequence[Source], skipped: List[Skipped]) -> None:
        self._sources = sources
        self._skipped = skipped
        self._left = False
        self._frames = self._read()

    def __next__(self) -> Frame:
        return next(self._frames)

    def leave(self) -> None:
        """Let whoever waits for a frame of a live source, in whatever thread, wait no longer: no more come of any source."""
        self._left = True
        for source in self._sources:
            if hasattr(source, 'leave'):
                source.leave()

    def close(self) -> None:
        """Close what is open; not while another thread takes a frame."""
        self._frames.close()

    def _read(self) -> Generator[Frame, None, None]:
        first = 0
        for source in self._sources:
            if self._left:
                return
            count = 0
            try:
                for frame in source.frames():
                    yield replace(frame, number=first + frame.index)
                    count = frame.index + 1
            except UnusableInput as error:
                self._skipped.append(Skipped(source.name, str(error)))
                count = max(count, source.num_frames or 0)  # the boxes of later inputs stay theirs
            first += count

"""What every source gives: pictures with their place and time."""
from dataclasses import dataclass, field
from time import monotonic
from typing import Iterator, Optional, Protocol

import numpy as np


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

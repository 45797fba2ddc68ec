"""Videos with poses drawn in, each frame shown when, and as long as, its source shows it."""
import os
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final, Optional, Tuple, cast

import cv2
import numpy as np

from .frames import Frame

if TYPE_CHECKING:  # where a video is written: it takes a while
    import av

CODEC: Final = 'mpeg4'
# Ticks a second of an overlay's clock: the greatest that MPEG-4 takes and that rates of 24, 25, 30 and 50 divide.
CLOCK = 60000
BITS_PER_PIXEL = 4
# Where nothing tells how long the last frame is shown.
LAST = 1 / 30


class CannotEncode(ValueError):
    """There is no such video, e.g. one of a pixel or of 20,000 pixels in a row; the disk is not at fault."""


class VideoWriter:
    """An MP4 file; it gets its name when it is closed.

    Args:
        path (Path): File to write, in a folder that exists, with the suffix ``.mp4``.
        size (tuple[int, int]): Width and height in px.
        rate (float): Frames a second, more or less: how many bits a frame gets.

    Raises:
        CannotEncode: if there is no video of this size.
        OSError: if the file cannot be written.
    """

    def __init__(self, path: Path, size: Tuple[int, int], rate: float) -> None:
        import av
        self.path = path
        self._size = size
        # The container is told from the suffix.
        self._unfinished = path.with_name(f'.{path.stem}.{os.getpid()}.part{path.suffix}')
        self._start: Optional[float] = None
        self._ticks = -1
        self._last_duration: Optional[float] = None
        self._packet: Optional[av.Packet] = None
        self._container = av.open(str(self._unfinished), 'w')
        try:
            self._stream = self._container.add_stream(CODEC, rate=Fraction(rate).limit_denominator(1001))
            self._stream.width, self._stream.height = size
            self._stream.pix_fmt = 'yuv420p'
            self._stream.codec_context.time_base = Fraction(1, CLOCK)
            self._stream.bit_rate = min(int(BITS_PER_PIXEL * rate * size[0] * size[1]), 2**30)
            self._stream.codec_context.open()
        except (av.FFmpegError, ValueError, OverflowError) as error:
            self._container.close()
            self._unfinished.unlink(missing_ok=True)
            raise CannotEncode(f'ffmpeg writes no MP4 of {size[0]}x{size[1]} px') from error

    def write(self, image: np.ndarray, frame: Frame) -> None:
        """Write a picture (H, W, 3) uint8 BGR at the time of its frame; one of another size is resized."""
        if image.shape[1::-1] != self._size:
            image = cv2.resize(image, self._size)
        time = frame.time or 0.
        if self._start is None:
            self._start = time
        self._last_duration = frame.duration
        self._ticks = max(self._ticks + 1, round((time - self._start) * CLOCK))
        import av
        picture = av.VideoFrame.from_ndarray(image, format='bgr24')
        picture.pts, picture.time_base = self._ticks, Fraction(1, CLOCK)
        for packet in self._stream.encode(picture):
            self._mux(packet)

    def close(self) -> None:
        try:
            for packet in self._stream.encode():
                self._mux(packet)
            if self._packet is not None:
                self._packet.duration = max(1, round((self._last_duration or LAST) * CLOCK))
                self._container.mux(self._packet)
        finally:
            self._container.close()
        try:
            os.replace(self._unfinished, self.path)
        except OSError:
            self._unfinished.unlink(missing_ok=True)
            raise

    def _mux(self, packet: 'av.Packet') -> None:
        """One packet late: how long a frame is shown is known when the next one comes."""
        if self._packet is not None:
            # An encoder's packets have times.
            self._packet.duration = cast(int, packet.pts) - cast(int, self._packet.pts)
            self._container.mux(self._packet)
        self._packet = packet

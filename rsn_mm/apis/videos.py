"""Videos in files and behind URLs, decoded by PyAV: it tells when each frame is shown, which OpenCV does not.

Times are those of the container, so that a variable frame rate, a wrong frame count or a wrong rate do not matter.
"""
import logging
from fractions import Fraction
from typing import TYPE_CHECKING, Iterator, NamedTuple, Optional, cast

import numpy as np

from ..pictures import UnusableInput
from .frames import Frame

if TYPE_CHECKING:  # where a video is opened: it takes a while, and pictures need none of it
    import av

# ffmpeg complains about what it repairs; what it cannot is raised, or missing and counted.
logging.getLogger('libav').setLevel(logging.CRITICAL)
# Seconds within which a server must answer, and go on answering.
OPEN_TIMEOUT, READ_TIMEOUT = 10., 30.
# Containers round durations and estimate the number of their frames: what is missing must be more than this many frames.
SLACK = 1.5
DEFAULT_RATE = Fraction(30)
# What ffmpeg reads as "video" that is none: single pictures by their suffix, text as a terminal shows it.
NO_VIDEO = ('image2', 'tty')


class _Decoded(NamedTuple):
    """A frame, upright, its time and its own duration in s, if the container tells."""
    image: np.ndarray
    time: Optional[float]
    duration: float


def is_video(path: str) -> bool:
    """Whether a file holds a video, told by its content."""
    try:
        with _open(path) as container:
            return bool(video_stream(container))
    except UnusableInput:
        return False


class VideoFile:
    """A video in a file, or behind a URL that gives the same as a file would.

    Args:
        where (str): Path or URL.
    """
    live = False

    def __init__(self, where: str) -> None:
        self.name = where

    @property
    def num_frames(self) -> Optional[int]:
        try:
            with _open(self.name) as container:
                return video_stream(container).frames or None
        except UnusableInput:
            return None

    def frames(self) -> Iterator[Frame]:
        with _open(self.name) as container:
            stream = video_stream(container)
            self._decoder = decoder = Decoder(container, stream)
            waiting: Optional[Frame] = None
            start = 0.  # when the one that waits is shown
            last = float(1 / (stream.average_rate or DEFAULT_RATE))
            for index, (image, time, duration) in enumerate(decoder):
                now = float(last if time is None else time)
                if waiting is not None:
                    if time is None or now <= start:
                        now = start + last
                    yield _shown(waiting, now - start)
                else:
                    now = 0.
                waiting, start, last = Frame(self.name, index, image, now), now, duration or last
            if waiting is not None:
                yield _shown(waiting, last)
            _complain(container, stream, decoder, waiting, last)


class Decoder:
    """Iterate over the frames of a stream, with times from 0. Damaged packets are left out and counted.

    Attributes:
        packets (int): Packets that came, so far: a frame each, damaged ones included.
        damaged (int): Packets that could not be decoded, so far.
        delay (float): Seconds from the time of the first packet's decoding to that of the first frame's display.
    """

    def __init__(self, container: 'av.container.InputContainer', stream: 'av.video.stream.VideoStream') -> None:
        self.packets = self.damaged = 0
        self.delay = 0.
        self._first_packet: Optional[float] = None
        self._container = container
        self._stream = stream

    def __iter__(self) -> Iterator[_Decoded]:
        self._stream.thread_type = 'AUTO'
        start: Optional[float] = None
        for frame in self._frames():
            if start is None:
                start = frame.time or 0.
                self.delay = 0. if self._first_packet is None else max(start - self._first_packet, 0.)
            image = frame.to_ndarray(format='bgr24')
            turns = round(frame.rotation / 90) % 4
            if turns:
                image = np.rot90(image, turns)
            base = frame.time_base or self._stream.time_base or 0
            yield _Decoded(np.ascontiguousarray(image), None if frame.time is None else frame.time - start,
                           float((frame.duration or 0) * base))

    def _frames(self) -> 'Iterator[av.VideoFrame]':
        import av
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:
                self.damaged += 1
                return
            if packet is None:
                return
            if not self.packets and packet.dts is not None and packet.time_base is not None:
                self._first_packet = float(packet.dts * packet.time_base)
            self.packets += packet.size > 0
            try:
                yield from packet.decode()
            except av.FFmpegError:
                self.damaged += 1


def open_stream(where: str) -> 'av.container.InputContainer':
    """Open what is behind a URL or path.

    Raises:
        UnusableInput: if it cannot be opened, or holds no video.
    """
    container = _open(where)
    try:
        video_stream(container)
    except UnusableInput:
        container.close()
        raise
    return container


def has_clock(container: 'av.container.InputContainer') -> bool:
    """Whether what is open tells when its frames are shown; of others, MJPEG for one, ffmpeg takes 25 a second as given."""
    import av
    return not container.format.flags & cast(int, av.format.Flags.no_timestamps.value)


def is_live(container: 'av.container.InputContainer') -> bool:
    """Whether what is opened has no end yet: neither a duration nor a size."""
    return container.duration is None and container.size <= 0


def check_ends(name: str, where: str) -> None:
    """Raise ValueError, naming the argument ``name``, unless a path or URL holds a video, which ends."""
    try:
        with open_stream(where) as container:
            live = is_live(container)
    except UnusableInput as error:
        raise ValueError(f'{name}={where!r} is no video: {error}') from error
    if live:
        raise ValueError(f'{name}={where!r} has no end. Give a video in a file.')


def _open(where: str) -> 'av.container.InputContainer':
    import av
    try:
        return av.open(where, timeout=(OPEN_TIMEOUT, READ_TIMEOUT) if '://' in where else None)
    except (av.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, 'strerror', None) or str(error)
        hint = 'Is the address right, and does it send?' if '://' in where else 'Is it whole, and does ffmpeg know its codec?'
        raise UnusableInput(f'it cannot be opened as a video: {reason}. {hint}') from error


def video_stream(container: 'av.container.InputContainer') -> 'av.video.stream.VideoStream':
    """The video; the cover of a song is none."""
    import av
    streams = [stream for stream in container.streams.video
               if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None]
    if not streams or container.format.name in NO_VIDEO or container.format.name.endswith('_pipe'):
        raise UnusableInput('it cannot be opened as a video: it holds no stream of pictures')
    return max(streams, key=lambda stream: stream.width * stream.height)


def _shown(frame: Frame, duration: float) -> Frame:
    return Frame(frame.source, frame.index, frame.image, frame.time, duration)


def _complain(container: 'av.container.InputContainer', stream: 'av.video.stream.VideoStream', decoder: Decoder,
              last: Optional[Frame], duration: float) -> None:
    """Say what is missing, by the count of frames that the container holds, or else by its length."""
    count = 0 if last is None else last.index + 1
    end = 0. if last is None else (last.time or 0.) + duration
    expected_count, expected_end = stream.frames, _length(container, stream, decoder)
    usual = end / count if count else 1 / float(stream.average_rate or DEFAULT_RATE)
    if not count:
        raise UnusableInput(f'none of its {expected_count or ""} frames can be decoded'.replace('  ', ' '))
    if expected_count and container.format.name != 'avi':
        # Packets, not frames: what an edit list leaves out is not missing.
        ends_early = decoder.packets < expected_count - 1
    else:
        ends_early = expected_end is not None and end < expected_end - SLACK * max(usual, duration)
    if ends_early:
        raise UnusableInput(f'it ends after {count} of {expected_count} frames' if expected_count else
                            f'it ends after {count} frames, at {end:.2f} s of {expected_end:.2f} s')
    if decoder.damaged:
        raise UnusableInput(f'{decoder.damaged} packets of it are damaged, and their frames are missing')


def _length(container: 'av.container.InputContainer', stream: 'av.video.stream.VideoStream',
            decoder: Decoder) -> Optional[float]:
    """Seconds that the video should last, if the container tells it of the video alone."""
    if container.format.name == 'avi' and stream.frames and stream.time_base is not None:
        # A frame for each tick; those that only say that the one before is shown again are counted, and no packets.
        return float(stream.frames * stream.time_base)
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    told = stream.metadata.get('DURATION')
    if told is not None:
        hours, minutes, seconds = (float(part) for part in told.split(':'))
        # Matroska tells when it ends, which is no length where it begins late.
        return 3600 * hours + 60 * minutes + seconds - float((stream.start_time or 0) * (stream.time_base or 0))
    if container.duration is not None and len(container.streams) == 1:
        import av
        return container.duration / av.time_base - decoder.delay  # FLV: from the first packet on
    return None

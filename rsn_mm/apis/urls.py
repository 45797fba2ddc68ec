"""What is behind a web address: a picture, a video, or a stream without an end."""
from typing import TYPE_CHECKING, Iterator, Optional

from ..pictures import UnusableInput
from ..pictures.decoding import open_with_pillow
from ..pictures.frames import decode_frames
from ..pictures.headers import BrokenHeader, read_header
from .frames import Frame
from .live import Stream
from .videos import OPEN_TIMEOUT, READ_TIMEOUT, VideoFile, is_live, open_stream

if TYPE_CHECKING:
    import requests

# Bytes that tell a picture from a video, and a picture's largest file.
HEAD = 4096
LARGEST = 1 << 30


class Url:
    """A picture, animation or video behind ``http://`` or ``https://``, told by its content, wherever redirects lead.

    Args:
        url (str): Where it is.
    """
    live = True  # until it is opened: nothing may wait in front of a stream
    num_frames: Optional[int] = None

    def __init__(self, url: str) -> None:
        self.name = url
        self._stream: Optional[Stream] = None

    def frames(self) -> Iterator[Frame]:
        data = self._picture()
        if data is not None:
            for index, frame in enumerate(decode_frames(data)):
                yield Frame(self.name, index, *frame)
            return
        with open_stream(self.name) as container:
            live = is_live(container)
        self._stream = Stream(self.name) if live else None
        yield from (self._stream or VideoFile(self.name)).frames()

    def leave(self) -> None:
        """See :meth:`Live.leave`."""
        if self._stream is not None:
            self._stream.leave()

    def _picture(self) -> Optional[bytes]:
        """The whole file if it is a picture, None if it is something else."""
        import requests  # takes a while
        try:
            with requests.get(self.name, stream=True, timeout=(OPEN_TIMEOUT, READ_TIMEOUT)) as answer:
                if not answer.ok:
                    raise UnusableInput(f'the server answers {answer.status_code} {answer.reason}')
                chunks = answer.iter_content(HEAD)
                data = next(chunks, b'')
                if not _may_be_picture(data, answer.headers.get('Content-Type', '')):
                    return None
                whole = bytearray(data)
                for chunk in chunks:
                    whole += chunk
                    if len(whole) > LARGEST:
                        raise UnusableInput(f'the picture has more than {LARGEST >> 20} MiB')
                return bytes(whole)
        except requests.RequestException as error:
            raise UnusableInput(f'it cannot be read: {_reason(error)}') from error


def _reason(error: 'requests.RequestException') -> str:
    """What the system or the server said, without the names of the libraries that passed it on."""
    from requests import ConnectTimeout, Timeout
    from requests.exceptions import ChunkedEncodingError
    if isinstance(error, Timeout):
        limit = OPEN_TIMEOUT if isinstance(error, ConnectTimeout) else READ_TIMEOUT
        return f'the server sends nothing for {limit:g} s'
    if isinstance(error, ChunkedEncodingError):
        return 'the transfer broke off'
    cause: Optional[BaseException] = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.rstrip('.')
        cause = cause.__cause__ or cause.__context__
    return str(error).rstrip('.')


def _may_be_picture(head: bytes, content_type: str) -> bool:
    if content_type.startswith('image/'):
        return True
    try:
        if read_header(head) is not None:
            return True
    except BrokenHeader:
        return True
    try:
        image = open_with_pillow(head)
    except UnusableInput:
        return False
    if image is None:
        return False
    image.close()
    return True

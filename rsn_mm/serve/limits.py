"""What a visitor may send, and the error that tells him otherwise."""
from dataclasses import dataclass

MEBIBYTE = 2**20
MEGAPIXEL = 10**6


class Refused(ValueError):
    """A request that is not served.

    Args:
        status (int): HTTP status, 400 to 599.
        reason (str): A sentence for whoever sent it.
        retry_after (int): Seconds after which the same request may be served; 0 for never.
    """

    def __init__(self, status: int, reason: str, retry_after: int = 0) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class Limits:
    """Bounds of a request.

    Attributes:
        upload_bytes (int): Size of a picture's file. Counted while it comes in.
        pixels (int): Width x height of a picture, read from its header before it is decoded.
        side (int): Its longer side in px. OpenCV warps nothing with a side of 32,767 or more.
        jpeg_scans (int): Scans of a progressive JPEG. Each goes over all pixels; cameras and editors write about 10.
        boxes (int): Boxes drawn in a picture.
        coordinate (float): Largest coordinate of a box, in px from the picture's origin.
        waiting (int): Requests for a model that are computed or wait for it; more are sent away with status 503.
        upload_seconds (float): Time in which a picture must have arrived.

    Raises:
        ValueError: if one of them is not positive.
    """
    upload_bytes: int = 20 * MEBIBYTE
    pixels: int = 50 * MEGAPIXEL
    side: int = 32000
    jpeg_scans: int = 32
    boxes: int = 100
    coordinate: float = 1e6
    waiting: int = 8
    upload_seconds: float = 60.

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not value > 0:
                raise ValueError(f'{name}={value!r} must be above 0.')

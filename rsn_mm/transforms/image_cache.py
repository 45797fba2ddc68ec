"""Decoded photos kept in memory, up to a number of bytes."""
import threading
from collections import OrderedDict
from typing import Hashable, Optional, Tuple

import numpy as np


class ImageCache:
    """The most recently used images, of at most ``max_bytes`` in all.

    Images are handed out without copying, so they become read-only. Copies and pickles of a cache are empty: each worker
    process fills its own.

    Args:
        max_bytes (int): Bound on the bytes of pixels kept. An image larger than that is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.num_bytes = 0
        self._images: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._images)

    def __reduce__(self) -> Tuple[type, Tuple[int]]:
        return type(self), (self.max_bytes, )

    def get(self, key: Hashable) -> Optional[np.ndarray]:
        """The image put in under ``key``, None if it is not (or no longer) there."""
        with self._lock:
            if key in self._images:
                self._images.move_to_end(key)
            return self._images.get(key)

    def put(self, key: Hashable, image: np.ndarray) -> None:
        """Keep ``image``, and let go of those that have not been asked for the longest."""
        if image.nbytes > self.max_bytes:
            return
        image.flags.writeable = False
        with self._lock:
            replaced = self._images.pop(key, None)
            self.num_bytes += image.nbytes - (0 if replaced is None else replaced.nbytes)
            self._images[key] = image
            while self.num_bytes > self.max_bytes:
                _, oldest = self._images.popitem(last=False)
                self.num_bytes -= oldest.nbytes

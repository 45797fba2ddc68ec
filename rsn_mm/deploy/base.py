"""What every runtime of a pose model does."""
from abc import ABC, abstractmethod
from typing import Callable, Dict, NamedTuple, Sequence

import numpy as np

from .metadata import PoseMetadata

Outputs = Dict[str, np.ndarray]


class Joints(NamedTuple):
    """Joints of N crops.

    keypoints: (N, K, 2) float32 in input px, (x, y), 0 being the centre of the first pixel.
    scores: (N, K) float32.
    """
    keypoints: np.ndarray
    scores: np.ndarray


class PoseRuntime(ABC):
    """A pose model that is ready to run: crops in, joints out. :func:`load_runtime` makes one.

    Attributes:
        input_size (tuple[int, int]): Size (w, h) of the crops in px.
        num_keypoints (int): Number of joints K.
        metadata (PoseMetadata): What else is known of the model.
        precision (str): What it computes in: 'float32', 'bfloat16', 'float16' or 'int8'.
        asynchronous (bool): Whether :meth:`submit` returns before the joints are there.
    """
    precision: str
    asynchronous = False

    def __init__(self, metadata: PoseMetadata, max_batch: int) -> None:
        if max_batch < 1:
            raise ValueError(f'max_batch={max_batch} must be at least 1, the number of crops that are computed at once.')
        self.metadata = metadata
        self.input_size = metadata.input_size
        self.num_keypoints = metadata.num_keypoints
        self.max_batch = max_batch

    def __call__(self, images: np.ndarray) -> Joints:
        """Find joints.

        Args:
            images (np.ndarray): Crops (N, h, w, 3), uint8, BGR as OpenCV reads them. N may be 0.

        Returns:
            Joints: ``keypoints`` (N, K, 2) in input px and ``scores`` (N, K), float32.

        Raises:
            TypeError, ValueError: if ``images`` has another dtype or shape, or the model gives heatmaps alone.
        """
        return self.submit(images)()

    def submit(self, images: np.ndarray) -> Callable[[], Joints]:
        """Begin to find joints; what is returned gives them. Where the runtime is :attr:`asynchronous`, it computes meanwhile.

        Args:
            images (np.ndarray): As above, best in memory of :meth:`empty_crops`. They must stay as they are until the joints
                have been taken.
        """
        if 'keypoints' not in self.metadata.outputs:
            raise ValueError("The model gives heatmaps alone (outputs='heatmaps'): call heatmaps(), and decode them with its "
                             f"codec, {self.metadata.codec}. Export it with outputs='joints' to have joints.")
        finish = self._start(self._checked(images), ('keypoints', 'scores'))
        return lambda: Joints(**finish())

    def heatmaps(self, images: np.ndarray) -> np.ndarray:
        """Heatmaps (N, K, H, W), float32, of crops as above. The model must give them (outputs='heatmaps' or 'both')."""
        if 'heatmaps' not in self.metadata.outputs:
            raise ValueError("The model gives no heatmaps (outputs='joints'). Export or load it with outputs='both'.")
        return self._start(self._checked(images), ('heatmaps', ))()['heatmaps']

    def empty_crops(self, count: int) -> np.ndarray:
        """Memory for ``count`` crops, (N, h, w, 3) uint8, from which they reach the device soonest."""
        width, height = self.input_size
        return np.empty((count, height, width, 3), np.uint8)

    def _start(self, images: np.ndarray, names: Sequence[str]) -> Callable[[], Outputs]:
        """Begin to compute outputs of any number of crops; what is returned gives them."""
        outputs = self._empty_outputs(len(images), names)
        for start in range(0, len(images), self.max_batch):
            part = slice(start, start + self.max_batch)
            found = self._run(images[part])
            for name, array in outputs.items():
                array[part] = found[name]
        return lambda: outputs

    @abstractmethod
    def _run(self, images: np.ndarray) -> Outputs:
        """Outputs by name, of 1 to ``max_batch`` crops."""

    def _empty_outputs(self, count: int, names: Sequence[str]) -> Outputs:
        width, height = self.metadata.heatmap_size
        shapes = dict(keypoints=(2, ), scores=(), heatmaps=(height, width))
        return {name: np.empty((count, self.num_keypoints, *shapes[name]), np.float32) for name in names}

    def _checked(self, images: np.ndarray) -> np.ndarray:
        width, height = self.input_size
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            given = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f'images is {given}; a uint8 array is expected, BGR as OpenCV reads it. The model normalises.')
        if images.ndim != 4 or images.shape[1:] != (height, width, 3):
            raise ValueError(f'images has shape {images.shape}; (N, {height}, {width}, 3) is expected: crops of the input size '
                             f'(w, h) = ({width}, {height}) of the model.')
        return np.ascontiguousarray(images)

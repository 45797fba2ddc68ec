"""What every runtime of a pose model does."""
from abc import ABC, abstractmethod
from typing import Dict, List, NamedTuple, Sequence, Tuple

import numpy as np

from .metadata import PoseMetadata


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
    """
    precision: str

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
        if 'keypoints' not in self.metadata.outputs:
            raise ValueError("The model gives heatmaps alone (outputs='heatmaps'): call heatmaps(), and decode them with its "
                             f"codec, {self.metadata.codec}. Export it with outputs='joints' to have joints.")
        k = self.num_keypoints
        return Joints(*self._in_batches(images, ('keypoints', 'scores'), ((k, 2), (k, ))))

    def heatmaps(self, images: np.ndarray) -> np.ndarray:
        """Heatmaps (N, K, H, W), float32, of crops as above. The model must give them (outputs='heatmaps' or 'both')."""
        if 'heatmaps' not in self.metadata.outputs:
            raise ValueError("The model gives no heatmaps (outputs='joints'). Export or load it with outputs='both'.")
        width, height = self.metadata.heatmap_size
        maps, = self._in_batches(images, ('heatmaps', ), ((self.num_keypoints, height, width), ))
        return maps

    @abstractmethod
    def _run(self, images: np.ndarray) -> Dict[str, np.ndarray]:
        """Outputs by name, of 1 to ``max_batch`` crops."""

    def _in_batches(self, images: np.ndarray, names: Sequence[str], shapes: Sequence[Tuple[int, ...]]) -> List[np.ndarray]:
        images = self._checked(images)
        made = [np.empty((len(images), *shape), np.float32) for shape in shapes]
        for start in range(0, len(images), self.max_batch):
            part = slice(start, start + self.max_batch)
            outputs = self._run(images[part])
            for array, name in zip(made, names):
                array[part] = outputs[name]
        return made

    def _checked(self, images: np.ndarray) -> np.ndarray:
        width, height = self.input_size
        if not isinstance(images, np.ndarray) or images.dtype != np.uint8:
            given = images.dtype if isinstance(images, np.ndarray) else type(images).__name__
            raise TypeError(f'images is {given}; a uint8 array is expected, BGR as OpenCV reads it. The model normalises.')
        if images.ndim != 4 or images.shape[1:] != (height, width, 3):
            raise ValueError(f'images has shape {images.shape}; (N, {height}, {width}, 3) is expected: crops of the input size '
                             f'(w, h) = ({width}, {height}) of the model.')
        return np.ascontiguousarray(images)

"""A network on a GPU as CUDA graphs: one launch in place of hundreds, which is what a small batch costs."""
import logging
from threading import Lock
from typing import Any, Callable, Dict, List, Optional, Tuple

from torch import Tensor, cuda

# Below the first of them a batch is filled up to a power of two, above to a multiple of a half of one.
POWERS_OF_TWO_UP_TO = 16
# PyTorch allows one capture at a time in a process, whoever captures. Nor may a device be waited for meanwhile.
CAPTURING = Lock()


def batch_sizes(most: int) -> List[int]:
    """The few sizes that batches of up to ``most`` are filled up to: 1, 2, 4, 8, 16, 24, 32, 48, 64, ... and ``most``."""
    sizes, power = [], 1
    while power < most:
        sizes.append(power)
        if power >= POWERS_OF_TWO_UP_TO and power * 3 // 2 < most:
            sizes.append(power * 3 // 2)
        power *= 2
    return [*sizes, most]


class CudaGraphs:
    """A function of the first rows of a fixed tensor, captured once for each number of rows that it is called with.

    All graphs share one pool of memory, which so is little more than what the largest batch needs; in return the results of
    one are overwritten by the next. Where a capture fails, the function is called as it is from then on, and the log says so.

    Args:
        function (Callable): Of rows (n, ...) to tensors, without decisions on data and without waiting.
        inputs (Tensor): All rows, on the GPU. Write to it before each call.
    """

    def __init__(self, function: Callable[[Tensor], Any], inputs: Tensor) -> None:
        self.inputs = inputs
        self._function = function
        self._captured: Dict[int, Tuple[cuda.CUDAGraph, Any]] = {}
        self._pool: Optional[Any] = None
        self._fails = False
        # PyTorch's own for captures is of the device that was captured on first: on another one it would capture nothing.
        self._stream = cuda.Stream(inputs.device)

    def __call__(self, rows: int) -> Any:
        """Results of the first rows, valid until the next call."""
        if rows not in self._captured and not self._fails:
            try:
                self._captured[rows] = self._capture(self.inputs[:rows])
            except cuda.OutOfMemoryError:
                raise
            except RuntimeError as error:
                self._fails = True
                self._captured.clear()
                logging.getLogger(__name__).warning(
                    'No CUDA graph could be captured, so every operation is launched on its own, which is slower for small '
                    'batches: %s', error)
        if self._fails:
            return self._function(self.inputs[:rows])
        graph, outputs = self._captured[rows]
        graph.replay()
        return outputs

    @property
    def captured(self) -> List[int]:
        """Numbers of rows that there is a graph for."""
        return sorted(self._captured)

    def _capture(self, inputs: Tensor) -> Tuple[cuda.CUDAGraph, Any]:
        current = cuda.current_stream()
        # The current stream is put back here, as PyTorch does not do it after a capture that was broken.
        with CAPTURING, cuda.stream(self._stream):
            self._stream.wait_stream(current)
            # First as it is: cuDNN chooses its kernels, and may wait for the device while it does.
            for _ in range(2):
                self._function(inputs)
            graph = cuda.CUDAGraph()
            # Other threads (a detector, other models of a server) may use the GPU meanwhile.
            with cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode='thread_local'):
                outputs = self._function(inputs)
        current.wait_stream(self._stream)
        self._pool = graph.pool()
        return graph, outputs

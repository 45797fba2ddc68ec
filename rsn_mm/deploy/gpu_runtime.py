"""A pose model in PyTorch on a GPU."""
import logging
from threading import Lock
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence

import numpy as np
import torch
from torch import Tensor, cuda

from .base import Outputs
from .cuda_graphs import CAPTURING, CudaGraphs, batch_sizes
from .torch_runtime import TorchRuntime

# Keypoints and scores are one tensor on the device, and its columns.
RESULT_OF = dict(keypoints='joints', scores='joints', heatmaps='heatmaps')
COLUMNS: Dict[str, Any] = dict(keypoints=np.s_[..., :2], scores=np.s_[..., 2], heatmaps=np.s_[...])


class _Sent(NamedTuple):
    """A batch under way: its crops, and its results on the host, which hold once ``done`` has come."""
    crops: Tensor
    results: Dict[str, Tensor]
    done: cuda.Event


class GpuRuntime(TorchRuntime):
    """A :class:`TorchRuntime` on a GPU, which works on while the host does.

    How a batch runs: its crops, in pinned memory, go to the head of one fixed tensor on the device in one copy; it is filled up
    to one of a few sizes with whatever crops lie there; network and decoder run as one CUDA graph; joints and scores, one
    tensor, come back to pinned memory in one copy. The host waits when the result is asked for, not before. Batches of another
    size want no other kernels, so nothing is searched or captured again. A batch that does not fit into memory is halved, and
    so are all later ones.
    """
    asynchronous = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._graphs: Optional[CudaGraphs] = None
        self._lock = Lock()  # all threads write to the same fixed tensor
        with cuda.device(self.device):
            # One stream for all of them, whatever stream each is at: a batch is over before the next one overwrites it.
            self._stream = cuda.Stream(self.device)
            self._stream.wait_stream(cuda.current_stream())  # the weights are on their way
        self._warned = False

    def empty_crops(self, count: int) -> np.ndarray:
        width, height = self.input_size
        return pinned((count, height, width, 3), torch.uint8).numpy()

    def _start(self, images: np.ndarray, names: Sequence[str]) -> Callable[[], Outputs]:
        sent: List[_Sent] = []
        done = 0
        while done < len(images):
            most = self.max_batch
            batch = self._sent(torch.from_numpy(images[done:done + most]), names, most)
            if batch is None:
                self._halve(most)
            else:
                sent.append(batch)
                done += len(batch.crops)
        return lambda: self._fetched(sent, len(images), names)

    def _sent(self, crops: Tensor, names: Sequence[str], most: int) -> Optional[_Sent]:
        """The first crops, up to a batch, under way, or None where there is too little memory for batches of ``most``."""
        try:
            with self._lock, cuda.device(self.device), cuda.stream(self._stream), torch.inference_mode():
                return self._send(crops[:self.max_batch], names)  # another thread may have halved it
        except cuda.OutOfMemoryError:
            if most == 1:
                raise
        return None

    def _send(self, crops: Tensor, names: Sequence[str]) -> _Sent:
        count = len(crops)
        if self._graphs is None:
            inputs = torch.zeros(self.max_batch, *crops.shape[1:], dtype=torch.uint8, device=self.device)
            self._graphs = CudaGraphs(self._computed, inputs)
        self._graphs.inputs[:count].copy_(crops, non_blocking=True)
        results = self._graphs(next(size for size in batch_sizes(self.max_batch) if size >= count))
        on_host = {}
        for name in {RESULT_OF[name] for name in names}:
            result = results[name][:count]
            on_host[name] = pinned(result.shape, result.dtype).copy_(result, non_blocking=True)
        done = cuda.Event()
        done.record()
        return _Sent(crops, on_host, done)

    def _computed(self, images: Tensor) -> Dict[str, Tensor]:
        """What the model gives: ``joints``, keypoints and scores (n, K, 3) as one, and ``heatmaps``."""
        heatmaps = self.graph.heatmaps(images)
        results = dict(heatmaps=heatmaps) if 'heatmaps' in self.metadata.outputs else {}
        if 'keypoints' in self.metadata.outputs:
            keypoints, scores = self.graph.codec.decode_tensor(heatmaps)
            results['joints'] = torch.cat([keypoints, scores.unsqueeze(-1)], dim=-1)
        return results

    def _halve(self, failed: int) -> None:
        """Batches of ``failed`` crops do not fit. Of several threads that find so the first one halves them."""
        with self._lock:
            if self.max_batch != failed:
                return
            with CAPTURING:
                cuda.synchronize(self.device)  # the graphs may be running
            self._graphs = None
            cuda.empty_cache()
            self.max_batch = failed // 2
        logging.getLogger(__name__).warning('The GPU has too little memory for %d persons at once: from now on it gets %d.',
                                            failed, failed // 2)

    def _fetched(self, sent: Sequence[_Sent], count: int, names: Sequence[str]) -> Outputs:
        outputs = self._empty_outputs(count, names)
        start = 0
        for batch in sent:
            batch.done.synchronize()
            part = slice(start, start + len(batch.crops))
            start = part.stop
            for name, array in outputs.items():
                array[part] = batch.results[RESULT_OF[name]].numpy()[COLUMNS[name]]
        if 'scores' in outputs and not np.isfinite(outputs['scores']).all():
            self._warn_of_overflow()
        return outputs

    def _warn_of_overflow(self) -> None:
        if not self._warned:
            logging.getLogger(__name__).warning(
                'Some scores are no numbers, computed in %s: the weights are broken, or numbers inside the network are beyond '
                "its range. Compare precision='float32'.", self.precision)
        self._warned = True


def pinned(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Memory of the host that a GPU copies from and to by itself. PyTorch keeps what was given back for the next batch."""
    return torch.empty(shape, dtype=dtype, pin_memory=True)


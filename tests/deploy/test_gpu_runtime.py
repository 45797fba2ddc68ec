"""How a batch runs on a GPU, without one: graphs are recorded and replayed on the CPU, kernels counted on fake tensors."""
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, List

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.deploy import cuda_graphs, fused_conv, gpu_runtime, load_runtime
from rsn_mm.deploy.cuda_graphs import batch_sizes
from rsn_mm.deploy.fuse import FusedResidualStepsBlock
from rsn_mm.deploy.gpu_runtime import GpuRuntime
from rsn_mm.deploy.graph import PoseGraph
from rsn_mm.deploy.torch_runtime import numbered
from rsn_mm.models.multi_stage import NARROW

from .conftest import FLIP_INDICES, INPUT_SIZE, make_model
from .fake_cuda import FakeCuda

aten = torch.ops.aten


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    fake = FakeCuda()
    monkeypatch.setattr(gpu_runtime, 'cuda', fake)
    monkeypatch.setattr(cuda_graphs, 'cuda', fake)
    monkeypatch.setattr(gpu_runtime, 'pinned', lambda shape, dtype: torch.empty(shape, dtype=dtype))
    monkeypatch.setattr(fused_conv, 'ONEDNN', False)  # its operators are hidden from a recorder
    return fake


@pytest.fixture
def many_crops() -> np.ndarray:
    width, height = INPUT_SIZE
    return np.random.default_rng(1).integers(0, 256, (20, height, width, 3), dtype=np.uint8)


def test_batch_sizes() -> None:
    assert batch_sizes(64) == [1, 2, 4, 8, 16, 24, 32, 48, 64]
    assert batch_sizes(1) == [1] and batch_sizes(5) == [1, 2, 4, 5] and batch_sizes(24) == [1, 2, 4, 8, 16, 24]
    assert max(batch_sizes(200)) == 200
    sizes = batch_sizes(64)
    waste = [min(size for size in sizes if size >= n) / n for n in range(16, 65)]
    assert max(waste) < 1.5


@pytest.mark.parametrize('outputs', ['joints', 'both', 'heatmaps'])
@pytest.mark.parametrize('flip_test', [False, True])
def test_the_same_as_on_a_cpu(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda, outputs: str, flip_test: bool) -> None:
    """In batches of every kind, filled up with what lay there before; replayed graphs give results of the new crops."""
    options = dict(outputs=outputs, flip_test=flip_test, max_batch=8)
    gpu, cpu = GpuRuntime(model, **options), load_runtime(model, **options)
    for count in (3, 8, 1, 4, 20, 0, 2):
        crops = many_crops[-count:] if count else many_crops[:0]
        if outputs != 'heatmaps':
            np.testing.assert_allclose(gpu(crops).keypoints, cpu(crops).keypoints, atol=1e-3)
            np.testing.assert_allclose(gpu(crops).scores, cpu(crops).scores, atol=1e-5)
        if outputs != 'joints':
            np.testing.assert_allclose(gpu.heatmaps(crops), cpu.heatmaps(crops), rtol=1e-4, atol=1e-4)
    assert cuda.log.count('capture') == 4, 'one for each of the sizes 1, 2, 4 and 8'
    assert cuda.pools == [None, *['the pool'] * 3], 'they share their memory'


def test_one_copy_in_one_launch_one_copy_out(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = GpuRuntime(model, max_batch=8)
    runtime(many_crops[:8])
    launched: List[str] = []

    class Launches(TorchDispatchMode):

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            launched.append(str(func))
            return func(*args, **(kwargs or {}))

    replay = cuda.CUDAGraph.replay

    def replay_unseen(graph: Any) -> None:
        with torch.utils._python_dispatch._disable_current_modes():
            replay(graph)

    monkeypatch.setattr(cuda.CUDAGraph, 'replay', replay_unseen)
    cuda.log.clear()
    with Launches():
        joints = runtime.submit(many_crops[:7])
    assert [name for name in launched if 'copy' in name] == ['aten.copy_.default'] * 2
    assert set(launched) <= {'aten.copy_.default', 'aten.slice.Tensor', 'aten.empty.memory_format', 'aten.detach.default',
                             'aten.lift_fresh.default'}
    assert cuda.log == ['replay', 'record'], 'nothing has waited'
    joints()
    assert cuda.log == ['replay', 'record', 'synchronize']


def test_batches_under_way_are_not_mixed_up(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda) -> None:
    runtime, expected = GpuRuntime(model, max_batch=4), load_runtime(model)
    assert runtime.asynchronous and not expected.asynchronous
    under_way = [runtime.submit(many_crops[i:i + 6]) for i in range(5)]  # two batches each
    for i, joints in enumerate(under_way):
        np.testing.assert_allclose(joints().keypoints, expected(many_crops[i:i + 6]).keypoints, atol=1e-3)


def test_where_capture_fails(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda, caplog: Any) -> None:
    cuda.capture_error = RuntimeError('operation not permitted when stream is capturing')
    runtime, expected = GpuRuntime(model, max_batch=8), load_runtime(model)
    for count in (7, 3, 7):
        np.testing.assert_allclose(runtime(many_crops[:count]).keypoints, expected(many_crops[:count]).keypoints, atol=1e-3)
    assert 'replay' not in cuda.log
    assert len(cuda.streams) == 1 and cuda.current_stream() is cuda.default_stream, 'none is left as the current one'
    assert caplog.text.count('No CUDA graph could be captured') == 1 and 'not permitted' in caplog.text


def test_too_little_memory(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch,
                           caplog: Any) -> None:
    """Batches are halved until they fit, and nothing is lost; one person that does not fit is an error."""
    runtime, expected = GpuRuntime(model, max_batch=16), load_runtime(model)
    computed, most = runtime._computed, 5

    def limited(images: Tensor) -> Any:
        if len(images) > most:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return computed(images)

    monkeypatch.setattr(runtime, '_computed', limited)
    joints = runtime(many_crops)
    np.testing.assert_allclose(joints.keypoints, expected(many_crops).keypoints, atol=1e-3)
    assert runtime.max_batch == 4
    assert 'too little memory for 16 persons at once: from now on it gets 8' in caplog.text
    assert 'too little memory for 8 persons' in caplog.text
    most = 0
    runtime._graphs = None
    with pytest.raises(torch.cuda.OutOfMemoryError):
        runtime(many_crops)


def test_threads_that_find_too_little_memory_halve_once(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, expected = GpuRuntime(model, max_batch=2), load_runtime(model)
    computed, send, together = runtime._computed, runtime._send, threading.Barrier(2)
    met = threading.local()

    def limited(images: Tensor) -> Any:
        if len(images) > 1:
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return computed(images)

    halve = runtime._halve

    def halve_together(*args: Any) -> None:
        if not hasattr(met, 'once'):
            met.once = True
            together.wait(10)
        halve(*args)

    monkeypatch.setattr(runtime, '_computed', limited)
    monkeypatch.setattr(runtime, '_halve', halve_together)
    monkeypatch.setattr(runtime, '_send', lambda crops, names: send(crops, names) if len(crops) else pytest.fail('no crops'))
    with ThreadPoolExecutor(2) as threads:
        for joints in threads.map(runtime, [many_crops[:4], many_crops[4:8]], timeout=30):
            assert len(joints.keypoints) == 4
    assert runtime.max_batch == 1
    np.testing.assert_allclose(runtime(many_crops[:2]).keypoints, expected(many_crops[:2]).keypoints, atol=1e-3)


def test_batches_are_cut_to_what_another_thread_has_halved(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda) -> None:
    runtime, expected = GpuRuntime(model, max_batch=8), load_runtime(model)
    sent, done = runtime._sent, []

    def halved_meanwhile(*args: Any) -> Any:
        if not done:
            done.append(runtime._halve(8))
        return sent(*args)

    runtime._sent = halved_meanwhile
    np.testing.assert_allclose(runtime(many_crops[:8]).keypoints, expected(many_crops[:8]).keypoints, atol=1e-3)


def test_threads_with_streams_of_their_own_come_after_each_other(model: nn.Module, many_crops: np.ndarray,
                                                                 cuda: FakeCuda) -> None:
    """All write to one tensor on the device: only on one stream a batch is over before the next one overwrites it."""
    runtime = GpuRuntime(model, max_batch=4)

    def run(stream: Any) -> None:
        with cuda.stream(stream):
            runtime(many_crops[:6])
            assert cuda.current_stream() is stream

    with ThreadPoolExecutor(2) as threads:
        [*threads.map(run, [cuda.Stream(), cuda.Stream()])]
    assert len(cuda.streams) == 1 and cuda.default_stream not in cuda.streams


def test_models_in_several_threads_capture_one_after_the_other(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda,
                                                               monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    runtimes = [GpuRuntime(model, max_batch=2) for _ in range(3)]
    for runtime in runtimes:
        def slow(images: Tensor, computed: Callable = runtime._computed) -> Any:
            time.sleep(.01)
            return computed(images)
        monkeypatch.setattr(runtime, '_computed', slow)
    with ThreadPoolExecutor(3) as threads:
        [*threads.map(lambda runtime: runtime(many_crops[:3]), runtimes)]
    assert cuda.log.count('capture') == 6 and 'No CUDA graph' not in caplog.text


def test_captures_are_on_the_device_of_the_model(cuda: FakeCuda) -> None:
    graphs = cuda_graphs.CudaGraphs(lambda rows: rows + 1, torch.zeros(4, 2, device='meta'))
    assert graphs._stream.device == torch.device('meta')


def test_a_gpu_without_a_number_is_the_current_one_of_the_thread_that_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    """``torch.cuda.set_device`` holds for a thread, and batches are sent from others, in which 'cuda' is the first GPU."""
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.cuda, 'current_device', lambda: 1)
    assert numbered('cuda') == torch.device('cuda:1') and numbered('cuda:0') == torch.device('cuda:0')
    assert numbered('cpu') == torch.device('cpu')
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: False)
    assert numbered('cuda') == torch.device('cuda:0'), 'a look does not start CUDA: processes may be forked yet'


def test_numbers_out_of_range_are_told_once(model: nn.Module, many_crops: np.ndarray, cuda: FakeCuda, caplog: Any) -> None:
    runtime = GpuRuntime(model)
    next(runtime.graph.backbone.parameters()).fill_(float('inf'))
    runtime(many_crops[:2])
    runtime(many_crops[:2])
    assert caplog.text.count('Some scores are no numbers, computed in float32') == 1


class Kernels(TorchDispatchMode):
    """Operators that a GPU would launch, by name; views launch nothing."""
    views = ('view', 'permute', 'slice', 'split', 'unbind', 'select.int', 'expand', 'unsqueeze', 'alias', 'detach', 't.default',
             'transpose', 'empty', 'narrow', 'squeeze', '_unsafe_view', 'as_strided', 'lift_fresh', 'prim.')

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter = Counter()
        self.copies: List[Any] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = str(func).removeprefix('aten.')
        if not name.startswith(self.views):
            self.counts[name] += 1
        if func in (aten._to_copy.default, aten.copy_.default, aten._local_scalar_dense.default):
            self.copies.append((name, args, kwargs))
        return result


@pytest.fixture(scope='module')
def wide() -> nn.Module:
    """Narrower stems ask for contiguous images, which a PyTorch without CUDA cannot make of fake ones."""
    return make_model(stem_channels=NARROW)


@pytest.fixture
def on_fake_gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[PoseGraph], Any]:
    """Run a graph on fake CUDA tensors: kernels by name, and every tensor's dtype after it."""

    def fused(x: Tensor, weight: Tensor, *rest: Any) -> Tensor:
        # cuDNN's operators have no form for fake tensors: one convolution, and nothing after it.
        fused_convolutions.append(x.dtype)
        arguments = rest[-5:]
        return aten.convolution(x, weight, None, *arguments[1:4], False, [0, 0], arguments[4])

    fused_convolutions: List[torch.dtype] = []
    monkeypatch.setattr(torch, 'cudnn_convolution_add_relu', fused)

    def run(graph: PoseGraph, count: int = 2) -> Any:
        fused_convolutions.clear()
        with FakeTensorMode(), torch.no_grad():
            tensors = {name: torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device='cuda')
                       for name, tensor in [*graph.named_parameters(), *graph.named_buffers()]}
            width, height = INPUT_SIZE
            images = torch.empty(count, height, width, 3, dtype=torch.uint8, device='cuda')
            with Kernels() as kernels:
                results = torch.func.functional_call(graph, tensors, (images, ))
        assert all(result.is_cuda and result.dtype == torch.float32 for result in results)
        return kernels, list(fused_convolutions)

    return run


@pytest.mark.parametrize('flip_indices', [None, FLIP_INDICES])
def test_nothing_waits_and_nothing_is_cast_twice(wide: nn.Module, on_fake_gpu: Callable, flip_indices: Any) -> None:
    """No copy between host and device, no value read back: that is what a CUDA graph can hold. Half precision throughout."""
    kernels, convolutions = on_fake_gpu(PoseGraph(wide, 'joints', flip_indices, pad_branches_to=8, dtype=torch.float16))
    assert not [one for one in kernels.copies if 'local_scalar' in one[0]]
    assert all((kwargs or {}).get('device') is None for _, _, kwargs in kernels.copies)
    assert len(kernels.copies) <= 8  # image to float32, to half, to the last convolution; pixels of the decoder
    assert set(convolutions) == {torch.float16}


def test_convolution_bias_sum_and_relu_are_one_kernel(wide: nn.Module, on_fake_gpu: Callable,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    graph = PoseGraph(wide, dtype=torch.float16)
    fused, convolutions = on_fake_gpu(graph)
    monkeypatch.setattr(fused_conv, 'CUDNN', False)
    plain, none = on_fake_gpu(graph)
    assert not none and fused.counts['convolution.default'] == plain.counts['convolution.default']
    assert plain.counts['relu_.default'] - fused.counts['relu_.default'] == len(convolutions) > 10
    assert plain.counts['add.Tensor'] - fused.counts['add.Tensor'] == 3, 'sums with the identity of two blocks, and of a unit'


def test_branches_are_padded_for_where_they_run(model: nn.Module, cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not for where the model is: that is on a CPU before it is moved to a GPU, and on a GPU before it is exported."""

    def branch(graph: PoseGraph) -> int:
        block = next(module for module in graph.modules() if isinstance(module, FusedResidualStepsBlock))
        return len(block.branches[0][0].weight)

    moved: List[PoseGraph] = []
    monkeypatch.setattr(PoseGraph, 'to', lambda graph, device: moved.append(graph) or graph)
    monkeypatch.setattr(torch.cuda, 'get_device_capability', lambda device: (9, 0))
    monkeypatch.setattr(torch.cuda, 'is_initialized', lambda: True)
    monkeypatch.setattr(torch.cuda, 'current_device', lambda: 1)
    runtime = load_runtime(model, device='cuda')
    assert runtime.device == torch.device('cuda:1')
    runtime = load_runtime(model, device='cuda:1')
    assert isinstance(runtime, GpuRuntime) and runtime.precision == 'float16' and runtime.device == torch.device('cuda:1')
    width = branch(PoseGraph(model))
    assert width % 8 and branch(moved[0]) == -(-width // 8) * 8
    monkeypatch.setattr(torch.nn.Parameter, 'is_cuda', property(lambda self: True), raising=False)
    assert branch(PoseGraph(model)) == width, 'the graph of an export is as on a CPU'


def test_cudnn_gets_what_it_wants_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it refuses is computed in the plain way from then on."""
    conv = fused_conv.FusedConv(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), relu=True)
    x, add = torch.randn(2, 4, 7, 6), torch.randn(2, 6, 4, 3)
    expected = conv(x), conv(x, add)
    monkeypatch.setattr(fused_conv.FusedConv, '_cudnn_takes', lambda self, x: not self._cudnn_refuses)
    monkeypatch.setattr(fused_conv, 'ONEDNN', False)

    def convolve(x: Tensor, weight: Tensor, bias: Tensor, *arguments: Any) -> Tensor:
        return torch.nn.functional.conv2d(x, weight, bias, *arguments)

    def add_relu(x: Tensor, weight: Tensor, add: Tensor, alpha: float, *arguments: Any) -> Tensor:
        assert add.is_contiguous(memory_format=torch.channels_last) or add is given
        return (convolve(x, weight, *arguments) + alpha * add).relu()

    def relu(x: Tensor, weight: Tensor, *arguments: Any) -> Tensor:
        # As PyTorch calls cuDNN: 0 times the memory that the result is about to lie in, whatever is there.
        return (convolve(x, weight, *arguments) + 0. * torch.full((), float('nan'))).relu()

    given = add
    monkeypatch.setattr(torch, 'cudnn_convolution_relu', relu)
    monkeypatch.setattr(torch, 'cudnn_convolution_add_relu', add_relu)
    torch.testing.assert_close(conv(x), expected[0])
    torch.testing.assert_close(conv(x, add), expected[1])

    # Most of RSN's convolutions keep the size: their own input is added 0 times, and no memory is filled.
    keeping = fused_conv.FusedConv(nn.Conv2d(4, 4, 3, padding=1), relu=True)
    given = x.contiguous(memory_format=torch.channels_last)
    with Kernels() as kernels:
        found = keeping(given)
    torch.testing.assert_close(found, convolve(x, keeping.weight, keeping.bias, 1, 1).relu())
    assert not [name for name in kernels.counts if 'zero' in name]

    calls: List[int] = []

    def refuse(*args: Any) -> None:
        calls.append(1)
        raise RuntimeError('GET was unable to find an engine to execute this computation')

    monkeypatch.setattr(torch, 'cudnn_convolution_add_relu', refuse)
    for _ in range(2):
        torch.testing.assert_close(conv(x), expected[0])
    assert calls == [1]

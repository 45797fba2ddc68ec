"""RSN-18 exported to one file with the decoder inside: ONNX Runtime and OpenVINO beside PyTorch and stock MMPose, on a CPU.

All have the same weights and take crops that are in memory; all but stock MMPose also normalise and decode. The floor is
the time that the network's convolutions take at the rate of a large matrix product of the same library on the same cores.
"""
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Tuple

import numpy as np
import torch
from common import Report, Timing, parser, same_network, take_turns

from rsn_mm.deploy import PoseRuntime, export_onnx, load_runtime, quantize
from rsn_mm.deploy.graph import PoseGraph

WIDTH, HEIGHT = 192, 256
MATRIX = 2048


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument('--crops', type=int, default=2000, help='random crops whose joints are compared')
    args = arguments.parse_args()
    report = Report('exported', 'Pose estimation by RSN-18, 256x192, ms a person')
    stock, ours = same_network()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        runtimes = make_runtimes(ours, Path(folder), rng)
    differences = compare(runtimes, rng, args.crops)
    macs = convolution_macs(ours)
    for batch in (8, 1):
        add_timings(report, stock, runtimes, batch, args.rounds, macs, differences)
    report.note(f'Convolutions: {macs / 1e9:.3f} G multiply-adds a person. Speedup: at the same batch size. Heatmaps: '
                f'largest difference to PyTorch over their maximum. Joints: share within 0.1 px, {args.crops} crops of noise.')
    report.write(args.out)


def make_runtimes(model: torch.nn.Module, folder: Path, rng: np.random.Generator) -> Dict[str, PoseRuntime]:
    float_file, int8_file = folder / 'float32.onnx', folder / 'int8.onnx'
    export_onnx(model, float_file, outputs='both')
    quantize(float_file, int8_file, random_crops(rng, 32))
    threads = torch.get_num_threads()
    return {
        'PyTorch': load_runtime(model, outputs='both', fused=False),
        'PyTorch, fused': load_runtime(model, outputs='both'),
        'ONNX Runtime': load_runtime(float_file, 'onnxruntime', threads=threads),
        'OpenVINO': load_runtime(float_file, 'openvino', threads=threads),
        'ONNX Runtime, int8': load_runtime(int8_file, 'onnxruntime', threads=threads),
        'OpenVINO, int8': load_runtime(int8_file, 'openvino', threads=threads),
    }


def compare(runtimes: Dict[str, PoseRuntime], rng: np.random.Generator, count: int) -> Dict[str, Dict[str, float]]:
    """How far each runtime is from the unfused network in PyTorch."""
    crops = random_crops(rng, count)
    reference, maps = runtimes['PyTorch'](crops).keypoints, runtimes['PyTorch'].heatmaps(crops[:16])
    differences = {}
    for name, runtime in runtimes.items():
        displacement = np.linalg.norm(runtime(crops).keypoints - reference, axis=-1)
        differences[name] = dict(heatmaps=float(np.abs(runtime.heatmaps(crops[:16]) - maps).max() / np.abs(maps).max()),
                                 joints=float((displacement < 0.1).mean()))
    return differences


def add_timings(report: Report, stock: torch.nn.Module, runtimes: Dict[str, PoseRuntime], batch: int, rounds: int, macs: int,
                differences: Dict[str, Dict[str, float]]) -> None:
    crops = random_crops(np.random.default_rng(1), batch)
    images = torch.randn(batch, 3, HEIGHT, WIDTH)
    matrix = torch.randn(MATRIX, MATRIX)

    @torch.inference_mode()
    def stock_forward() -> Any:
        return stock.head(stock.backbone(images))

    @torch.inference_mode()
    def product() -> Any:
        return matrix @ matrix

    def call(runtime: PoseRuntime) -> Callable[[], Any]:
        return lambda: runtime(crops)

    rivals = {'stock': stock_forward, 'floor': product, **{name: call(runtime) for name, runtime in runtimes.items()}}
    timings: Dict[str, Timing] = take_turns(rivals, rounds, settle=True)
    floor = macs * timings['floor'].median / MATRIX**3
    report.add('stock MMPose, network alone', timings['stock'], batch, timings['stock'], batch=batch)
    for name in runtimes:
        of_floor = {} if 'int8' in name else dict(of_floor=floor / (timings[name].median / batch))
        report.add(name, timings[name], batch, timings['stock'], batch=batch, **of_floor, **differences[name])


def convolution_macs(model: torch.nn.Module) -> int:
    """Multiply-adds of the convolutions of the graph that is exported, for one crop."""
    graph = PoseGraph(model)
    macs = []

    def count(module: torch.nn.Module, inputs: Tuple[Any, ...], output: torch.Tensor) -> None:
        macs.append(module.weight.numel() * output.shape[-2] * output.shape[-1])

    for module in graph.modules():
        weight = getattr(module, 'weight', None)
        if isinstance(weight, torch.Tensor) and weight.ndim == 4:
            module.register_forward_hook(count)
    with torch.inference_mode():
        graph(torch.zeros(1, HEIGHT, WIDTH, 3, dtype=torch.uint8))
    return sum(macs)


def random_crops(rng: np.random.Generator, count: int) -> np.ndarray:
    return rng.integers(0, 256, (count, HEIGHT, WIDTH, 3), dtype=np.uint8)


if __name__ == '__main__':
    main()

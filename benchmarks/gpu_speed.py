"""The parts of ``gpu.py`` that time prediction and training, ours beside stock."""
import copy
import gc
from functools import partial
from typing import Any, Callable, Dict, List, Optional

import gpu_variants as ways
import torch
from common import take_turns
from gpu_parts import Result, attempt, clean_up, images_of, networks
from torch import Tensor, nn
from training_step import Sizes, Trainer, our_config, our_trainer, stock_trainer

from rsn_mm.analysis.complexity import count_complexity

Ways = Dict[str, Callable[[], Callable[[Tensor], Any]]]


def prediction(result: Result, sizes: Sizes, device: str, batch: int, rounds: int) -> None:
    stock, ours = networks(sizes, device)
    images = images_of(sizes, device, batch)
    graphs = ['whole', None, 'network'] if device == 'cuda' else [None]
    groups: List[Ways] = [_stock_ways(stock, device)]
    for name, options in our_ways(device).items():
        groups.append({f'ours {name}{f" graph of {graph}" if graph else ""}': partial(
            _our_way, ours, options, images if graph else None, graph == 'whole') for graph in graphs})
    time_groups(result, groups, images, rounds)
    with attempt(result, 'matmul'):
        result['matmul'] = _matmul_rate(device)
        macs = count_complexity(ours, our_config(sizes).input_size, prediction=True).macs
        best = result['best ours']
        result['macs_per_person'] = macs
        result['fraction_of_matmul_rate'] = round(2 * macs * best / (result['matmul']['tflops'] * 1e12), 4)


def _stock_ways(stock: nn.Module, device: str) -> Ways:
    modes = ('fp16', 'autocast', 'fp32') if device == 'cuda' else ('autocast', 'fp32')
    return {f'stock {mode}{" channels_last" if channels_last else ""}': lambda mode=mode, channels_last=channels_last:
            ways.stock_predict(copy.deepcopy(stock), mode, channels_last)
            for channels_last in (True, False) for mode in modes}


def _our_way(ours: nn.Module, options: Dict[str, Any], *graph: Any) -> ways.Predict:
    return ways.our_predict(ours.head.decoder, ways.our_heatmaps(ours, **options), *graph)


def our_ways(device: str) -> Dict[str, Dict[str, Any]]:
    """What should be best comes first."""
    options = {}
    for precision in ('fp16', 'bf16') if device == 'cuda' else ('bf16', ):
        options[f'{precision} channels_last padded'] = dict(precision=precision, padded=True)
        options[f'{precision} channels_last'] = dict(precision=precision)
        options[precision] = dict(precision=precision, channels_last=False)
    options['fp32'] = dict(precision='fp32')
    return options


def prediction_compiled(result: Result, sizes: Sizes, device: str, batch: int, rounds: int, mode: Optional[str],
                        padded: bool) -> None:
    stock, ours = networks(sizes, device)
    precision = 'fp16' if device == 'cuda' else 'fp32'
    options = dict(precision=precision, padded=padded, compile_mode=mode)
    # The best of stock's ways that 'prediction 1x' knows are among these.
    best = {name: make for name, make in _stock_ways(stock, device).items() if 'channels_last' in name and 'fp32' not in name}
    groups: List[Ways] = [best, {f'ours {precision} compiled': partial(_our_way, ours, options)}]
    time_groups(result, groups, images_of(sizes, device, batch), rounds)


def time_groups(result: Result, groups: List[Ways], images: Tensor, rounds: int) -> None:
    """Build and time one group after the other, so that running out of time keeps what was timed.

    The first group is stock's. Its best way takes turns with those of every other group, and each of ours is compared with
    the turns of its own group. A way that fails is left out.
    """
    errors = result.setdefault('failed', {})
    best_stock: Dict[str, Callable[[Tensor], Any]] = {}
    for group in groups:
        rivals = dict(best_stock)
        for name, make in group.items():
            with attempt(errors, name):
                predict = make()
                predict(images)
                rivals[name] = predict
        timings = take_turns({name: partial(call, images) for name, call in rivals.items()}, rounds=rounds)
        rates = {name: len(images) / timing.median for name, timing in timings.items()}
        if not best_stock and rates:
            best = max(rates, key=rates.__getitem__)
            best_stock = {best: rivals[best]}
        _add_rates(result, rates, next(iter(best_stock), None))
        result.setdefault('quartiles_ms', {}).update(
            {name: [round(1e3 * value, 3) for value in timing.spread] for name, timing in timings.items()})
        rivals.clear()  # with their graphs' memory
        gc.collect()


def _add_rates(result: Result, rates: Dict[str, float], stock: Optional[str]) -> None:
    """Add persons a second of a group, and what of ours is faster than ``stock`` in the same group by how much."""
    known = result.setdefault('persons_per_s', {})
    known.update({name: round(rate, 1) for name, rate in rates.items()})
    of_stock = result.setdefault('times_stock', {})
    of_stock.update({name: round(rate / rates[stock], 2) for name, rate in rates.items()
                     if name.startswith('ours') and stock in rates})
    for side in ('stock', 'ours'):
        result[f'best {side}'] = max((rate for name, rate in known.items() if name.startswith(side)), default=None)
    result['speedup'] = max(of_stock.values(), default=None)


def _matmul_rate(device: str) -> Result:
    size = 8192 if device == 'cuda' else 256
    a, b = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = take_turns({'matmul': lambda: a @ b}, rounds=5, inner=10)['matmul'].median
    return dict(size=size, tflops=2 * size**3 / seconds / 1e12)


def decoder(result: Result, sizes: Sizes, device: str, batch: int, rounds: int) -> None:
    """Share of the decoder in a prediction, stock's and ours."""
    stock, ours = networks(sizes, device)
    images = images_of(sizes, device, batch)
    heatmaps = ways.our_heatmaps(ours, 'bf16')
    maps = heatmaps(images).float()
    joints = ours.head.decoder.decode_tensor
    timings = take_turns({
        'network': lambda: heatmaps(images),
        'our decoder': lambda: joints(maps),
        'our decoder and copy to the host': lambda: [part.cpu() for part in joints(maps)],
        'stock decoder': lambda: stock.head.decode(maps)}, rounds=rounds)
    result['ms'] = {name: round(1e3 * timing.median, 3) for name, timing in timings.items()}
    result['share'] = round(result['ms']['our decoder'] / (result['ms']['our decoder'] + result['ms']['network']), 4)


def training(result: Result, sizes: Sizes, device: str, rounds: int) -> None:
    half = 'float16' if device == 'cuda' else None  # stock's head has no bfloat16
    # In turns, for the time may not be enough for all.
    makers: Dict[str, Callable[[], Trainer]] = {
        'stock AMP channels_last': lambda: stock_trainer(sizes, device, half, channels_last=True),
        'ours AMP': lambda: our_trainer(sizes, device, 'bfloat16'),
        'stock AMP channels_last, fused Adam': lambda: stock_trainer(sizes, device, half, channels_last=True, fused=True),
        'ours fp32': lambda: our_trainer(sizes, device),
        'stock AMP': lambda: stock_trainer(sizes, device, half),
        'stock fp32': lambda: stock_trainer(sizes, device),
        'ours AMP with_cp': lambda: our_trainer(sizes, device, 'bfloat16', with_cp=True),
        'ours AMP contiguous weights': lambda: our_trainer(sizes, device, 'bfloat16', channels_last=False),
        'ours AMP without fused Adam': lambda: our_trainer(sizes, device, 'bfloat16', fused=False)}
    time_trainers(result, makers, sizes, rounds)


COMPILED_TRAININGS = {'channels last': dict(channels_last=True), 'contiguous': {}}


def training_compiled(result: Result, sizes: Sizes, device: str, rounds: int, name: str) -> None:
    backend = {} if device == 'cuda' else dict(backend='aot_eager')
    half = 'float16' if device == 'cuda' else None
    time_trainers(result, {
        'stock AMP channels_last, fused Adam': lambda: stock_trainer(sizes, device, half, channels_last=True, fused=True),
        'ours AMP compiled': lambda: our_trainer(
            sizes, device, 'bfloat16', compile_options=backend, **COMPILED_TRAININGS[name]),
        'stock AMP channels_last': lambda: stock_trainer(sizes, device, half, channels_last=True)}, sizes, rounds)


def time_trainers(result: Result, makers: Dict[str, Callable[[], Trainer]], sizes: Sizes, rounds: int) -> None:
    """One after the other, as together they would not fit; the first once more at the end shows the drift."""
    rates: Dict[str, float] = {}
    failed = result.setdefault('failed', {})
    for name, make in [*makers.items(), (f'{next(iter(makers))} again', next(iter(makers.values())))]:
        with attempt(failed, name):
            # Ten steps on end: the host may run ahead, as in training.
            step = make().step
            rates[name] = sizes.batch_size / take_turns(dict(step=step), rounds=max(2, rounds // 3), inner=10 if rounds > 2
                                                        else 1)['step'].median
            best_stock = max((key for key in rates if key.startswith('stock')), key=rates.__getitem__, default=None)
            _add_rates(result, rates, best_stock)
        clean_up()

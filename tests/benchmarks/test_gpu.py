"""The GPU benchmark runs, in its tiny form on a CPU; what it measures there means nothing."""
import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType

from .. import warm

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu
    return gpu


def test_correctness_in_small(tmp_path: Path) -> None:
    done = subprocess.run(
        [warm.python(), str(BENCHMARKS / 'gpu.py'), '--smoke', '--device', 'cpu', '--out', str(tmp_path), '--only',
         'correctness'],
        env=dict(os.environ, OMP_NUM_THREADS='1'), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    parts = json.loads((tmp_path / 'gpu.json').read_text())['parts']
    assert list(parts) == ['correctness']
    assert parts['correctness']['fused padded fp32']['relative_difference'] < 1e-4
    assert parts['correctness']['decoder']['px'] == 0
    assert parts['correctness']['runtime float32']['px_median'] == 0
    assert parts['correctness']['runtime float32']['px_together'] == 0
    losses = parts['correctness']['training step bf16']['loss']
    assert losses['device'] == pytest.approx(losses['cpu'], rel=.02)


def test_a_part_that_fails_or_hangs_is_recorded(gpu, tmp_path: Path) -> None:
    log = gpu.Log(str(tmp_path), smoke=True)

    def fails(result: dict) -> None:
        result['before'] = 1
        raise RuntimeError('broken')

    def hangs(result: dict) -> None:
        while True:
            pass

    log.run(gpu.Part('fails', 5, fails))
    log.run(gpu.Part('hangs', 1, hangs))
    parts = json.loads((tmp_path / 'gpu.json').read_text())['parts']
    assert parts['fails']['before'] == 1 and 'broken' in parts['fails']['error']
    assert 'TimeoutError' in parts['hangs']['error']


def test_padded_and_not_are_two_networks_wherever_the_model_is(gpu) -> None:
    from gpu_speed import our_ways
    from gpu_variants import our_heatmaps
    with patch('gpu_variants.fuse', side_effect=lambda model, **options: model) as fused:
        for padded in (False, True):
            our_heatmaps(torch.nn.Identity(), padded=padded)
    # Left to itself, fuse() pads wherever a GPU is.
    assert [call.kwargs for call in fused.call_args_list] == [dict(pad_branches_to=1), dict(pad_branches_to=8)]
    assert {options.get('padded', False) for options in our_ways('cuda').values()} == {False, True}


def test_correctness_is_measured_with_cudnn(gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_parts
    from training_step import Sizes
    seen = {}

    def heatmaps(model, **options):
        seen[len(seen)] = (torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32)
        raise RuntimeError('seen')

    monkeypatch.setattr(torch.backends.cudnn, 'benchmark', True)
    monkeypatch.setattr('gpu_variants.our_heatmaps', heatmaps)
    monkeypatch.setattr(gpu_parts, '_first_losses', lambda *_: {})
    gpu_parts.correctness({}, Sizes('rsn_people_128x96', 1, 2), 'cpu')
    assert [*seen.values()] == [(True, True, name == 'TF32') for name in (
        'fp32', 'fp32 channels_last', 'TF32', 'fused fp32', 'fused padded fp32', 'fused bf16', 'fused fp16')]


def test_a_device_by_number_is_a_gpu_and_the_one_that_is_waited_for(gpu, tmp_path: Path) -> None:
    with patch('torch.cuda.set_device') as chosen, patch.object(gpu, 'plan', return_value=[]) as plan, \
            patch.object(sys, 'argv', ['gpu.py', '--device', 'cuda:1', '--out', str(tmp_path)]):
        gpu.main()
    chosen.assert_called_once_with(torch.device('cuda:1'))
    assert plan.call_args.args == (False, 'cuda')


def test_running_out_of_time_keeps_what_was_timed(gpu) -> None:
    import gpu_parts
    import gpu_speed

    def stops():
        raise TimeoutError(gpu_parts.OUT_OF_TIME)

    result: dict = {}
    groups = [{'stock a': lambda: lambda images: time.sleep(.002), 'stock b': lambda: lambda images: time.sleep(.02)},
              {'ours a': lambda: lambda images: None, 'ours broken': lambda: 1 / 0}, {'ours late': stops}]
    with pytest.raises(TimeoutError):
        gpu_speed.time_groups(result, groups, torch.zeros(4, 3, 8, 8), rounds=2)
    assert {*result['persons_per_s']} == {'stock a', 'stock b', 'ours a'}
    assert {*result['times_stock']} == {'ours a'} and result['speedup'] > 1
    assert 'ZeroDivisionError' in result['failed']['ours broken'] and result['failed']['ours late'] == 'out of time'
    assert result['best stock'] == max(result['persons_per_s'][name] for name in ('stock a', 'stock b'))


class TestGoingOn:

    @staticmethod
    def part(gpu, name: str, run) -> tuple:
        return gpu.Part(name, 5, run)

    def test_what_is_measured_is_not_measured_again(self, gpu, tmp_path: Path) -> None:
        def fails(result: dict) -> None:
            raise RuntimeError('broken')

        calls = []
        plan = [self.part(gpu, 'fails', fails), self.part(gpu, 'works', lambda result: calls.append(result.update(x=1))),
                self.part(gpu, 'later', calls.append)]
        log = gpu.Log(str(tmp_path), smoke=True)
        for part in plan[:2]:
            log.run(part)
        log.content['parts']['later'] = dict(error='not begun: no time left')
        log.write()
        again = gpu.Log(str(tmp_path), smoke=True)
        assert [part.name for part in again.in_order(plan)] == ['later', 'fails']
        assert again.content['parts']['works']['x'] == 1

    def test_a_worse_second_try_keeps_the_first(self, gpu, tmp_path: Path) -> None:
        def fails(result: dict, pieces: int) -> None:
            result.update({str(i): i for i in range(pieces)})
            raise TimeoutError

        log = gpu.Log(str(tmp_path), smoke=True)
        for pieces in (3, 1):
            log.run(self.part(gpu, 'fails', partial(fails, pieces=pieces)))
        assert log.content['parts']['fails']['2'] == 2

    def test_a_second_try_with_fewer_rows_of_the_same_tables_keeps_the_first(self, gpu, tmp_path: Path) -> None:
        def stops(result: dict, rows: int) -> None:
            result['persons_per_s'] = {str(i): i for i in range(rows)}
            result['failed'] = {str(i): 'out of time' for i in range(9 - 2 * rows)}
            raise TimeoutError

        log = gpu.Log(str(tmp_path), smoke=True)
        for rows in (3, 1, 2):
            log.run(self.part(gpu, 'stops', partial(stops, rows=rows)))
        assert len(log.content['parts']['stops']['persons_per_s']) == 3

    def test_a_part_that_ran_out_of_time_gets_more_of_it(self, gpu, tmp_path: Path) -> None:
        errors = [RuntimeError('broken'), TimeoutError(gpu.parts.OUT_OF_TIME)]

        def stops(result: dict) -> None:
            raise errors.pop(0)

        part = self.part(gpu, 'stops', stops)
        log = gpu.Log(str(tmp_path), smoke=True)
        seconds = [log.seconds_for(part)]
        while errors:
            log.run(part)
            seconds.append(log.seconds_for(part))
        assert seconds == [5, 5, 15]

    def test_a_crash_does_not_stand_in_the_way_of_the_other_parts(self, gpu, tmp_path: Path) -> None:
        left_by_a_crash = []

        def crashes(result: dict) -> None:
            left_by_a_crash.append(gpu.Log(str(tmp_path), smoke=True).in_order(plan))

        plan = [self.part(gpu, 'crashes', crashes), self.part(gpu, 'later', dict)]
        gpu.Log(str(tmp_path), smoke=True).run(plan[0])
        assert [part.name for part in left_by_a_crash[0]] == ['later', 'crashes']

    def test_a_part_that_was_interrupted_is_not_measured(self, gpu, tmp_path: Path) -> None:
        def interrupted(result: dict) -> None:
            result['persons_per_s'] = dict(stock=1)
            raise KeyboardInterrupt

        plan = [self.part(gpu, 'interrupted', interrupted)]
        with pytest.raises(KeyboardInterrupt):
            gpu.Log(str(tmp_path), smoke=True).run(plan[0])
        again = gpu.Log(str(tmp_path), smoke=True)
        assert again.in_order(plan) == plan and again.content['parts']['interrupted']['persons_per_s'] == dict(stock=1)

    def test_another_card_is_refused(self, gpu, tmp_path: Path) -> None:
        gpu.Log(str(tmp_path), smoke=True).write()
        with pytest.raises(SystemExit, match='another --out'):
            gpu.Log(str(tmp_path), smoke=False)

    def test_parts_take_less_than_a_minute(self, gpu) -> None:
        parts = [*gpu.plan(False, 'cuda'), *gpu.plan(True, 'cpu')]
        assert max(part.seconds for part in parts) < 60
        assert len({part.name for part in gpu.plan(False, 'cuda')}) == len(gpu.plan(False, 'cuda'))


def test_one_process_with_its_own_communication(gpu) -> None:
    import gpu_parts
    from training_step import Sizes
    result: dict = {}
    gpu_parts.distributed(result, Sizes('rsn_people_128x96', 1, 2), 'cpu')
    for plain, wrapped in result['fp32']['losses']:
        assert wrapped == pytest.approx(plain, rel=1e-5)


def test_a_kernel_counts_once_in_the_time_of_a_trace(gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profiler has it twice, as itself and in the operator that launched it, and in annotations besides."""
    import gpu_parts

    def event(key: str, device_type: DeviceType, milliseconds: float, is_user_annotation: bool = False) -> SimpleNamespace:
        return SimpleNamespace(key=key, count=6, device_type=device_type, self_device_time_total=3e3 * milliseconds,
                               is_user_annotation=is_user_annotation)

    events = [event('aten::conv2d', DeviceType.CPU, 7.), event('sm90_fprop', DeviceType.CUDA, 7.),
              event('Memcpy HtoD', DeviceType.CUDA, 2.), event('Adam.step', DeviceType.CUDA, 9., is_user_annotation=True)]
    monkeypatch.setattr(gpu_parts, 'profile', lambda **_: nullcontext(SimpleNamespace(key_averages=lambda: events)))
    found = gpu_parts._trace(SimpleNamespace(step=dict), 'cuda', steps=3)
    assert found == dict(per_step={'Memcpy HtoD': 2}, device_ms_per_step=9)


def test_ours_and_stock_take_turns_where_time_may_run_out(gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_speed
    from training_step import Sizes
    order = []
    monkeypatch.setattr(gpu_speed, 'time_trainers', lambda result, makers, *rest: order.append([*makers]))
    sizes = Sizes('rsn_people_128x96', 1, 2)
    gpu_speed.training({}, sizes, 'cuda', 2)
    gpu_speed.training_compiled({}, sizes, 'cuda', 2, 'channels last')
    best = 'stock AMP channels_last, fused Adam'
    assert order[0][:4] == ['stock AMP channels_last', 'ours AMP', best, 'ours fp32'] and len(order[0]) == 9
    assert order[1] == [best, 'ours AMP compiled', 'stock AMP channels_last'], 'beside the best of stock'


def test_compiled_prediction_is_compared_with_the_best_of_stock(gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    import gpu_speed
    from training_step import Sizes
    seen = []
    monkeypatch.setattr(gpu_speed, 'networks', lambda *_: (torch.nn.Identity(), torch.nn.Identity()))
    monkeypatch.setattr(gpu_speed, 'images_of', lambda *_: None)
    monkeypatch.setattr(gpu_speed, 'time_groups', lambda result, groups, *rest: seen.extend(groups))
    gpu_speed.prediction_compiled({}, Sizes('rsn_people_128x96', 1, 2), 'cuda', 2, 2, 'default', False)
    assert {*seen[0]} == {'stock fp16 channels_last', 'stock autocast channels_last'}


def test_videos_are_timed_when_batches_of_all_sizes_have_come(gpu) -> None:
    import gpu_video
    sizes = []

    class Runtime:
        asynchronous, max_batch = True, 24

        def empty_crops(self, count: int) -> np.ndarray:
            return np.empty((count, 4, 3, 3), np.uint8)

        def __call__(self, crops: np.ndarray) -> None:
            sizes.append(len(crops))

    model = SimpleNamespace(runtime=Runtime())
    gpu_video._warm_up(SimpleNamespace(model=model))
    assert sizes == [1, 2, 4, 8, 16, 24]

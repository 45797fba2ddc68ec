"""The GPU benchmark runs, in its tiny form on a CPU; what it measures there means nothing."""
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

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

"""The GPU benchmark runs, in its tiny form on a CPU; what it measures there means nothing."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / 'benchmarks'


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import gpu
    return gpu


def test_correctness_in_small(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / 'gpu.py'), '--smoke', '--device', 'cpu', '--out', str(tmp_path), '--only',
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


def test_padded_branches_are_wider(gpu) -> None:
    from gpu_variants import pad_branches

    from rsn_mm.models import RSN
    model = RSN(num_blocks=[1, 1], stem_channels=8, unit_channels=16).eval()
    padded = pad_branches(model)
    widths = {conv.in_channels for name, conv in padded.named_modules() if '.branches.' in name and name.endswith('.conv')}
    assert widths == {8}
    image = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        torch.testing.assert_close(padded(image), model(image), rtol=1e-5, atol=1e-5)

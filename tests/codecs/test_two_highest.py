"""The highest two pixels of blurred maps: the compiled form for a CPU equals the plain one in every bit, on any map."""
from typing import List, Tuple

import numpy as np
import pytest
import torch

from rsn_mm.codecs import QuarterOffsetHeatmap, compiled, quarter_offset_heatmap
from rsn_mm.codecs.compiled import decode_compiled
from rsn_mm.codecs.two_highest import Blur, two_highest

# (H, W).
SIZES = [(32, 24), (26, 20), (13, 11)]


def peaks(size: Tuple[int, int], count: int) -> List[np.ndarray]:
    """One to three Gaussians, half of them centred on a pixel and many at borders, with and without noise, some below zero."""
    rng = np.random.default_rng(0)
    height, width = size
    y, x = np.mgrid[:height, :width]
    maps = []
    for _ in range(count):
        heatmap = np.zeros(size)
        for _ in range(rng.integers(1, 4)):
            center = rng.uniform(-2, [height + 1, width + 1])
            center = center.round() if rng.random() < .5 else center
            center = np.where(rng.random(2) < .2, rng.choice([0, 1]) * (np.array(size) - 1), center)
            heatmap += 255 * np.exp(-((y - center[0])**2 + (x - center[1])**2) / 2 / rng.uniform(.3, 3)**2)
        heatmap += rng.normal(0, rng.choice([0, .1, 5, 50]), size)
        maps.append(heatmap - rng.choice([0, 0, 0, 300]))
    return maps


def unusual(size: Tuple[int, int]) -> List[np.ndarray]:
    """Flat maps, ties, single pixels of any value in corners and inside, NaN and infinity."""
    rng = np.random.default_rng(1)
    zeros = np.zeros(size)
    maps = [zeros, zeros - 1, zeros + 1, zeros + np.nan, zeros + np.inf, zeros - np.inf]
    maps += [rng.integers(0, 2, size), rng.integers(-2, 1, size), rng.normal(0, 1, size), -rng.uniform(0, 1, size)]
    for place in [(0, 0), (0, -1), (-1, 0), (-1, -1), (1, 1), (7, 5)]:
        for value in [1, -1, 1e-40, 3e38, np.nan, np.inf, -np.inf]:
            for base in (0, 5, -5):
                heatmap = zeros + base
                heatmap[place] = value
                maps.append(heatmap)
    twins = zeros.copy()
    twins[3, 3] = twins[-4, -3] = 7
    return [*maps, twins]


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('kernel_size', [3, 5, 9])
@pytest.mark.parametrize('border', [0, 1, 2, 3, 5, 10])
def test_forms_agree_exactly(size, kernel_size, border):
    """More than 9,000 maps in all."""
    maps = np.stack([*peaks(size, 40), *unusual(size)]).astype(np.float32)
    blur = Blur.of_size(kernel_size, border)
    pixels = two_highest(torch.from_numpy(maps)[None], blur)[0].numpy()
    # An offset of 0 gives the first pixel; a large one, where nothing is clipped, tells the direction of the second.
    for offset in (0., 1.5):
        towards = pixels[:, 1] - pixels[:, 0]
        length = np.sqrt((towards**2).sum(axis=1, keepdims=True), dtype=np.float32).clip(min=1)
        expected = (pixels[:, 0] + np.float32(offset) * towards / length).clip(0, [size[1] - 1, size[0] - 1])
        np.testing.assert_array_equal(decode_compiled(maps, blur, offset).points, expected.astype(np.float32))


def test_threads_share_a_batch_and_change_nothing(monkeypatch):
    maps = np.stack([*peaks((32, 24), 40), *unusual((32, 24))]).astype(np.float32)
    blur = Blur.of_size(5, 10)
    expected = decode_compiled(maps, blur, .25)
    used = []
    loops = compiled._decode
    monkeypatch.setattr(compiled, '_decode', lambda part, *others: (used.append(len(part)), loops(part, *others)))
    monkeypatch.setattr(compiled, 'MAPS_A_THREAD', 7)
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 3)
    for ours, theirs in zip(decode_compiled(maps, blur, .25), expected):
        np.testing.assert_array_equal(ours, theirs)
    assert len(used) == 3 and sum(used) == len(maps) and max(used) - min(used) <= 1
    monkeypatch.setattr(torch, 'get_num_threads', lambda: 1)
    decode_compiled(maps, blur, .25)
    assert used[3:] == [len(maps)]


def test_windows_suffice_for_clear_peaks():
    """Else the quick form would be the slow one."""
    maps = np.stack([QuarterOffsetHeatmap((192, 256), (48, 64), k).encode(
        np.random.default_rng(k).uniform(0, [191, 255], (1, 17, 2)))['heatmaps'] for k in (5, 7, 9)]).reshape(-1, 64, 48)
    maps += np.random.default_rng(0).normal(0, 3, maps.shape).astype(np.float32)
    assert decode_compiled(maps, Blur.of_size(5, 10), .25).by_window.all()


def test_a_window_does_not_claim_what_it_cannot_see():
    """A lower plateau is above the peak once both are blurred; a second peak just as high lies outside."""
    maps = np.zeros((2, 32, 24), np.float32)
    maps[:, 5, 5] = 100
    maps[0, 20:27, 10:17] = 90
    maps[1, 25, 20] = 100
    decoded = decode_compiled(maps, Blur.of_size(5, 10), 0.)
    assert not decoded.by_window.any()
    assert (decoded.points[0] == [12, 22]).all()


def test_the_first_few_persons_do_without_numba(monkeypatch):
    used = []
    monkeypatch.setattr(quarter_offset_heatmap, '_compiled', lambda: used.append(1))
    monkeypatch.setattr(quarter_offset_heatmap, '_decoded_maps', 0)
    maps = np.zeros((1, quarter_offset_heatmap.MAPS_BEFORE_NUMBA // 2, 32, 24), np.float32)
    codec = QuarterOffsetHeatmap((96, 128), (24, 32), 7)
    counts = []
    for _ in range(4):
        codec.batch_decode(maps)
        counts.append(len(used))
    assert counts == [0, 0, 1, 2]


def test_without_numba_tensors_decode(monkeypatch):
    maps = np.stack(peaks((32, 24), 20)).astype(np.float32)[None]
    codec = QuarterOffsetHeatmap((96, 128), (24, 32), 7)
    compiled = codec.batch_decode(maps)
    monkeypatch.setattr(quarter_offset_heatmap, '_compiled', lambda: None)
    for by_tensors, by_loops in zip(codec.batch_decode(maps), compiled):
        np.testing.assert_array_equal(by_tensors[0], by_loops[0])


class TestDefinedResults:
    CODEC = QuarterOffsetHeatmap((96, 128), (24, 32), 7)

    @pytest.mark.parametrize('value, score', [(0, .5), (-51, .3), (np.nan, np.nan), (-np.inf, -np.inf)])
    def test_map_without_a_peak(self, value, score):
        """The centre of heatmap pixel (0, 0) in both forms."""
        maps = np.full((1, 2, 32, 24), value, np.float32)
        for keypoints, scores in (self.CODEC.decode_tensor(torch.from_numpy(maps)), self.CODEC.batch_decode(maps)):
            np.testing.assert_array_equal(np.asarray(keypoints[0]).reshape(-1, 2), [[2, 2]] * 2)
            np.testing.assert_allclose(np.asarray(scores[0]).ravel(), [score] * 2, rtol=1e-6)

    def test_decoded_alike(self):
        maps = np.stack([*peaks((32, 24), 400), *unusual((32, 24))]).astype(np.float32)[None]
        keypoints, scores = self.CODEC.decode_tensor(torch.from_numpy(maps))
        quick, quick_scores = self.CODEC.batch_decode(maps)
        np.testing.assert_array_equal(quick[0], keypoints)
        np.testing.assert_array_equal(quick_scores[0], scores)

    def test_tensor_form_can_be_traced(self):
        """With another batch size than that of tracing."""
        maps = torch.from_numpy(np.stack(peaks((32, 24), 12)).astype(np.float32)).reshape(4, 3, 32, 24)
        traced = torch.jit.trace(self.CODEC.decode_tensor, maps[:2])
        torch.testing.assert_close(traced(maps), self.CODEC.decode_tensor(maps), rtol=0, atol=0)

"""The batch preprocessor gives what MMPose's gives."""
from typing import List

import pytest
import torch
from mmpose.models import PoseDataPreprocessor as StockPreprocessor
from mmpose.structures import PoseDataSample
from torch import Tensor

from rsn_mm.models import PoseDataPreprocessor

NORMALISED = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375])


def batch(images: List[Tensor]) -> dict:
    return dict(inputs=images, data_samples=[PoseDataSample() for _ in images])


@pytest.fixture
def images() -> List[Tensor]:
    return [torch.randint(256, (3, 8, 6), dtype=torch.uint8) for _ in range(3)]


@pytest.mark.parametrize('cfg', [{}, NORMALISED, dict(bgr_to_rgb=True), dict(NORMALISED, bgr_to_rgb=True),
                                 dict(NORMALISED, rgb_to_bgr=True), dict(NORMALISED, pad_size_divisor=5)])
@pytest.mark.parametrize('stacked', [False, True])
def test_same_to_the_last_bit(images, cfg, stacked) -> None:
    data = [batch(torch.stack(images) if stacked else images) for _ in range(2)]
    for entry in data:
        entry['data_samples'] = [PoseDataSample() for _ in images]
    expected = StockPreprocessor(**cfg)(data[0], training=True)
    actual = PoseDataPreprocessor(**cfg)(data[1], training=True)
    assert actual['inputs'].dtype == torch.float32
    torch.testing.assert_close(actual['inputs'], expected['inputs'], rtol=0, atol=0)
    if not stacked:  # there stock takes (channels, height) for the size
        assert [s.metainfo for s in actual['data_samples']] == [s.metainfo for s in expected['data_samples']]


def test_images_of_different_sizes_are_padded_as_in_mmpose(images) -> None:
    images[1] = images[1][:, :5]
    expected, actual = (cls(**NORMALISED)(batch(images)) for cls in (StockPreprocessor, PoseDataPreprocessor))
    torch.testing.assert_close(actual['inputs'], expected['inputs'], rtol=0, atol=0)


def test_images_stay_as_they_were(images) -> None:
    before = [image.clone() for image in images]
    PoseDataPreprocessor(**NORMALISED, bgr_to_rgb=True)(batch(images))
    torch.testing.assert_close(images, before, rtol=0, atol=0)


def test_copies_do_not_wait() -> None:
    assert PoseDataPreprocessor()._non_blocking and not StockPreprocessor()._non_blocking


def test_augments_in_training_only(images) -> None:
    preprocessor = PoseDataPreprocessor()
    preprocessor.batch_augments = [lambda inputs, samples: (inputs + 1, samples)]
    predicted, trained = (preprocessor(batch(images), training)['inputs'] for training in (False, True))
    torch.testing.assert_close(trained, predicted + 1)


def test_images_that_come_one_by_one_travel_as_one(images, monkeypatch) -> None:
    preprocessor, sent = PoseDataPreprocessor(), []
    monkeypatch.setattr(preprocessor, 'cast_data', lambda data: sent.append(data) or data)
    preprocessor(batch(images))
    assert [tuple(tensor.shape) for tensor in sent] == [(3, 3, 8, 6)]

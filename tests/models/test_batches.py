"""Data samples reach the device in a copy for each field, and are what MMEngine would have sent."""
from typing import Any, List, Sequence

import pytest
import torch
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from rsn_mm.models import PoseDataPreprocessor
from rsn_mm.models.batches import send_samples

MEGVII = dict(type='MegviiHeatmap', input_size=(64, 64), heatmap_size=(16, 16), kernel_size=5)
META = torch.device('meta')


class Copies(TorchDispatchMode):

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        self.count += func.overloadpacket is torch.ops.aten._to_copy
        return func(*args, **(kwargs or {}))


def tensors(sample: PoseDataSample) -> List[torch.Tensor]:
    maps = sample.gt_fields.heatmaps
    return [*(maps if isinstance(maps, (list, tuple)) else [maps]), sample.gt_instance_labels.keypoint_weights]


@pytest.mark.parametrize('encoder, copies', [(MEGVII, 2), ([MEGVII, dict(MEGVII, kernel_size=9)], 3)], ids=['one', 'levels'])
@pytest.mark.parametrize('batch_size', [1, 6])
def test_a_copy_for_each_field(make_samples, encoder, copies: int, batch_size: int) -> None:
    samples = make_samples(encoder, batch_size)
    with Copies() as found:
        send_samples(samples, META)
    assert found.count == copies
    assert all(tensor.device == META for sample in samples for tensor in tensors(sample))


@pytest.mark.parametrize('encoder', [MEGVII, [MEGVII, dict(MEGVII, kernel_size=9)]], ids=['one', 'levels'])
def test_values_stay_with_their_sample(make_samples, encoder, monkeypatch: pytest.MonkeyPatch) -> None:
    samples, expected = make_samples(encoder, 3), make_samples(encoder, 3)
    # As if they came from elsewhere: stacked, sent and taken apart.
    monkeypatch.setattr('rsn_mm.models.batches.send', lambda tensor, device: tensor + 0)
    send_samples(samples, META)
    for sample, other in zip(samples, expected):
        torch.testing.assert_close(tensors(sample), tensors(other), rtol=0, atol=0)


def test_other_shapes_are_sent_one_by_one() -> None:
    samples = [PoseDataSample(gt_instance_labels=InstanceData(weights=torch.ones(n, 3))) for n in (1, 2)]
    with Copies() as found:
        send_samples(samples, META)
    assert found.count == 2
    assert [tuple(sample.gt_instance_labels.weights.shape) for sample in samples] == [(1, 3), (2, 3)]
    assert {sample.gt_instance_labels.weights.device for sample in samples} == {META}


def test_what_is_on_the_gpu_stays_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """MMEngine's 'cuda' is the 'cuda:0' of the tensors, but not equal to it; and only the host's memory can be pinned."""
    monkeypatch.setattr(torch.Tensor, 'pin_memory', lambda tensor: pytest.fail('only dense CPU tensors can be pinned'))
    monkeypatch.setattr(torch.Tensor, 'to', lambda tensor, device, non_blocking: tensor)  # which a PyTorch without CUDA cannot
    with FakeTensorMode():
        there = [torch.empty(1, 3, device='cuda') for _ in range(2)]
        samples = [PoseDataSample(gt_instance_labels=InstanceData(weights=weights)) for weights in there]
        send_samples(samples, torch.device('cuda'))
    assert all(sample.gt_instance_labels.weights.is_cuda for sample in samples)


def test_samples_without_tensors_are_passed_on_as_they_are() -> None:
    samples = [PoseDataSample() for _ in range(2)]
    out = PoseDataPreprocessor()(dict(inputs=torch.zeros(2, 3, 8, 6, dtype=torch.uint8), data_samples=samples))
    assert all(a is b for a, b in zip(out['data_samples'], samples))

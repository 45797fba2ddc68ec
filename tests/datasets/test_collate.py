"""stack_inputs: pseudo_collate's batch with the images in one tensor, also from worker processes."""
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Dataset

from rsn_mm.datasets import stack_inputs


class Samples(Dataset):

    def __len__(self) -> int:
        return 5

    def __getitem__(self, index: int) -> dict:
        image = np.random.default_rng(index).integers(0, 256, (3, 6, 4), dtype=np.uint8)
        return dict(inputs=torch.from_numpy(image), data_samples=f'person {index}')


@pytest.mark.parametrize('num_workers', [0, 1])
def test_stacks_images_alone(num_workers):
    ours, theirs = (list(DataLoader(Samples(), 2, num_workers=num_workers, collate_fn=collate))
                    for collate in (stack_inputs, pseudo_collate))
    assert [len(batch['inputs']) for batch in ours] == [2, 2, 1]
    for a, b in zip(ours, theirs):
        assert a['inputs'].dtype == torch.uint8 and torch.equal(a['inputs'], torch.stack(b['inputs']))
        assert list(a['data_samples']) == list(b['data_samples']) and a.keys() == b.keys()


def test_sizes_that_differ():
    with pytest.raises(RuntimeError, match='size'):
        stack_inputs([dict(inputs=torch.zeros(3, 2, 2)), dict(inputs=torch.zeros(3, 2, 3))])

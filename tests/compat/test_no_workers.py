"""A loader without worker processes is built though its config has options for them; others keep theirs."""
import numpy as np
import pytest
from mmengine.runner import Runner

LOADER = dict(dataset=dict(type='RepeatDataset'), sampler=dict(type='DefaultSampler', shuffle=False), batch_size=2)


@pytest.mark.parametrize('num_workers, persistent', [(0, False), (1, True)])
def test_persistent_workers(num_workers: int, persistent: bool) -> None:
    cfg = dict(LOADER, dataset=np.arange(4), num_workers=num_workers, persistent_workers=True,
               prefetch_factor=3 if num_workers else None, timeout=9)
    loader = Runner.build_dataloader(cfg, seed=0)
    assert loader.persistent_workers is persistent and loader.timeout == (9 if persistent else 0)
    assert cfg['persistent_workers'] is True

"""Which buffers are averaged over processes."""
from types import SimpleNamespace
from unittest.mock import patch

from mmengine.hooks import EMAHook
from torch import nn

from rsn_mm.engine import SyncBuffersHook


def test_running_statistics_alone(make_estimator, codec_cfg) -> None:
    """Tables of targets and the mean of images are constants: an average could change their last bit."""
    model = make_estimator(head=dict(encoder=[codec_cfg()]))
    names = {id(buffer): name for name, buffer in model.named_buffers()}
    ema = EMAHook()
    ema.ema_model = nn.Module()
    ema.ema_model.module = nn.BatchNorm1d(2)
    averaged = []
    with patch('rsn_mm.engine.sync_buffers_hook.all_reduce_params', lambda buffers, op: averaged.append((list(buffers), op))):
        SyncBuffersHook().before_val_epoch(SimpleNamespace(model=model, hooks=[ema]))
    (buffers, op), (of_average, _) = averaged
    found = [names[id(buffer)] for buffer in buffers]
    assert op == 'mean' and len(of_average) == 2
    assert found == [name for name in names.values() if name.endswith(('running_mean', 'running_var'))]
    assert len(found) > 10 and any('targets' in name for name in names.values())

"""MMEngine's own checkpoints under torch >= 2.6, read by :mod:`rsn_mm.checkpoints.reading`."""
from typing import Optional

from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader

from ..checkpoints.reading import load_from_local, load_url


def missing() -> Optional[str]:
    return 'MMEngine cannot read its own checkpoints under torch >= 2.6'


def install() -> None:
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    mmengine_checkpoint.load_url = load_url

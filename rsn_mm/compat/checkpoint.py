"""MMEngine's own checkpoints under torch >= 2.6, read by :mod:`rsn_mm.checkpoints.reading`."""
from typing import Any, Optional

from mmengine.runner import checkpoint as mmengine_checkpoint
from mmengine.runner.checkpoint import CheckpointLoader


def missing() -> Optional[str]:
    return 'MMEngine cannot read its own checkpoints under torch >= 2.6'


def install() -> None:
    CheckpointLoader.register_scheme(prefixes='', loader=load_from_local, force=True)
    mmengine_checkpoint.load_url = load_url


# That module imports MMEngine, which may be what has the adapters put in: it is there by the time a file is read.
def load_from_local(filename: str, map_location: Any = None) -> dict:
    from ..checkpoints import reading
    return reading.load_from_local(filename, map_location)


def load_url(*args: Any, **kwargs: Any) -> Any:
    from ..checkpoints import reading
    return reading.load_url(*args, **kwargs)

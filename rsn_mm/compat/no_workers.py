"""``--cfg-options train_dataloader.num_workers=0`` runs with any config: what is about worker processes is then left out.

PyTorch refuses ``persistent_workers``, ``prefetch_factor`` and ``timeout`` where there are no workers, and one would have to
unset them one by one.
"""
import copy
import functools
from typing import Any, Optional

from ._on_import import on_import

OF_WORKERS = ('persistent_workers', 'prefetch_factor', 'timeout')


def missing() -> Optional[str]:
    return 'num_workers=0 needs no other options'


def install() -> None:
    on_import('mmengine.runner.runner', _adapt)


def _adapt(module: Any) -> None:
    original = module.Runner.build_dataloader

    @functools.wraps(original)
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(dataloader, dict) and dataloader.get('num_workers', 0) == 0 and any(
                dataloader.get(name) for name in OF_WORKERS):
            dataloader = copy.copy(dataloader)
            for name in OF_WORKERS:
                dataloader.pop(name, None)
        return original(dataloader, *args, **kwargs)

    module.Runner.build_dataloader = staticmethod(build_dataloader)

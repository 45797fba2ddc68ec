"""Data loaders without worker processes: where a config asks for none, and where the machine can have none.

``--cfg-options train_dataloader.num_workers=0`` runs with any config: what is about worker processes is then left out. PyTorch
refuses ``persistent_workers``, ``prefetch_factor`` and ``timeout`` where there are no workers, and one would have to unset them
one by one. Without a /dev/shm that can be written to, no process can send another one anything: photos are then loaded in
this process, slower, and a warning says so.
"""
import copy
import functools
import logging
import multiprocessing
from typing import Any, Optional

from ._on_import import on_import

OF_WORKERS = ('persistent_workers', 'prefetch_factor', 'timeout')


def missing() -> Optional[str]:
    return 'num_workers=0 needs no other options, nor a /dev/shm'


def install() -> None:
    on_import('mmengine.runner.runner', _adapt)


def _adapt(module: Any) -> None:
    original = module.Runner.build_dataloader

    @functools.wraps(original)
    def build_dataloader(dataloader: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(dataloader, dict):
            dataloader = _without_workers(dataloader)
        return original(dataloader, *args, **kwargs)

    module.Runner.build_dataloader = staticmethod(build_dataloader)


def _without_workers(dataloader: dict) -> dict:
    """A copy where there are no workers, with nothing that is about them."""
    workers = dataloader.get('num_workers', 0)
    if workers > 0:
        reason = no_processes()
        if reason is None:
            return dataloader
        logging.getLogger('rsn_mm.compat').warning(
            'num_workers=%d: worker processes cannot be had here (%s). Photos are loaded in this process, which is slower. '
            'Give the container shared memory (docker run --shm-size=8g), or num_workers=0 to load so without this line.',
            workers, reason)
    dataloader = copy.copy(dataloader)
    for name in OF_WORKERS:
        dataloader.pop(name, None)
    dataloader['num_workers'] = 0
    return dataloader


def no_processes() -> Optional[str]:
    """Why processes of this machine cannot talk to each other, or None."""
    try:
        multiprocessing.get_context().Lock()
    except (OSError, ImportError) as error:  # ImportError: a Python that was built without semaphores
        return f'/dev/shm: {error}'
    return None

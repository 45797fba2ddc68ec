"""``compile=True`` in a config compiles the network: backbone, neck and head, in training and testing.

MMEngine compiles the whole training step, data samples and optimizer included; whether that works depends on the order
in which Python's sets give their elements (``PYTHONHASHSEED``), and testing is left as it is.
"""
import logging
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional, Tuple, cast

import torch
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from packaging.version import Version
from torch import nn

from ._on_import import on_import

if TYPE_CHECKING:
    from mmengine.runner import Runner

# MMPose's heads are not called: their ``loss`` and ``predict`` call these methods.
HEAD_METHODS = ('forward', 'forward_last')
CUDA_GRAPH_MODES = ('reduce-overhead', 'max-autotune')
# Before, activation checkpointing stays out of a compiled graph (rsn_mm.models.checkpointing).
CHECKPOINTS_ARE_LEFT_OUT = Version(torch.__version__) < Version('2.13')


def missing() -> Optional[str]:
    return 'MMEngine compiles data samples along with the network'


def install() -> None:
    on_import('mmengine.runner.runner', _compile_networks)


def _compile_networks(module: ModuleType) -> None:
    runner_class = module.Runner
    load_or_resume, compile_step = runner_class.load_or_resume, runner_class._maybe_compile

    # The last thing that training, validation and testing have in common before they begin.
    def load_or_resume_and_compile(self: 'Runner') -> None:
        load_or_resume(self)
        options, model = _options(self.cfg.get('compile')), _estimator(self.model)
        if options is not None and hasattr(model, 'backbone'):
            compile_network(model, options)
            _warn(self, model)

    def maybe_compile(self: 'Runner', target: str) -> None:
        if not hasattr(_estimator(self.model), 'backbone'):
            compile_step(self, target)

    runner_class.load_or_resume = load_or_resume_and_compile
    runner_class._maybe_compile = maybe_compile


def compile_network(model: nn.Module, options: Dict[str, Any]) -> None:
    """Compile ``backbone``, ``neck`` and ``head`` of a model in place; names of parameters stay. Once is enough.

    Args:
        model (nn.Module): A model as MMPose builds them.
        options (dict): Arguments of :func:`torch.compile`.
    """
    for name in ('backbone', 'neck'):
        module = getattr(model, name, None)
        if module is not None and module._compiled_call_impl is None:
            module.compile(**options)
    head = getattr(model, 'head', None)
    for name, method in _methods_to_compile(head):
        setattr(head, name, torch.compile(method, **options))


def _warn(runner: 'Runner', model: nn.Module) -> None:
    """Say what is compiled again and again, or not at all."""
    loader = getattr(getattr(runner, '_train_loop', None), 'dataloader', None)
    sampler, size = getattr(loader, 'sampler', None), getattr(loader, 'batch_size', None)
    if loader is not None and sampler is not None and size and not loader.drop_last and len(sampler) % size:
        print_log(f"compile: the last batch of an epoch has {len(sampler) % size} persons instead of {size}, for which the "
                  'network is compiled once more. train_dataloader.drop_last=True leaves it out.', 'current', logging.WARNING)
    if getattr(model.backbone, 'with_cp', False) and CHECKPOINTS_ARE_LEFT_OUT:
        print_log(f'compile: with with_cp=True torch {torch.__version__} compiles next to nothing of the backbone. Take torch '
                  '2.13, or one of the two.', 'current', logging.WARNING)


def _methods_to_compile(head: Optional[nn.Module]) -> Iterator[Tuple[str, Any]]:
    for name in HEAD_METHODS:
        # A method that is compiled already is an attribute of the object itself.
        if hasattr(head, name) and name not in vars(head):
            yield name, getattr(head, name)


def _options(setting: Any) -> Optional[Dict[str, Any]]:
    """Arguments of ``torch.compile``; None where nothing is to be compiled."""
    if setting is None or setting is False:
        return None
    if setting is True:
        return {}
    if not isinstance(setting, dict):
        raise TypeError(f"compile={setting!r} in the config is neither True, False nor a dict of torch.compile's arguments. "
                        "Give True, or for example dict(mode='max-autotune-no-cudagraphs').")
    if setting.get('mode') in CUDA_GRAPH_MODES:
        raise ValueError(f"compile=dict(mode={setting['mode']!r}) in the config: that mode captures CUDA graphs, whose results "
                         "the next call overwrites, and the flip test calls the backbone twice. Take 'default' or "
                         "'max-autotune-no-cudagraphs'.")
    return dict(setting)


def _estimator(model: nn.Module) -> nn.Module:
    return cast(nn.Module, model.module) if is_model_wrapper(model) else model

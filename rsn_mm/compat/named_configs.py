"""Our configs by name wherever MMEngine takes those of OpenMMLab's packages.

``rsn_mm::rsn18_coco_256x192.py`` as a ``_base_``, in ``mmengine.hub``, and ``MMPoseInferencer('rsn18_coco_256x192')``: MMEngine
has a fixed list of packages, and wants a folder in every name.
"""
import difflib
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Tuple

from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE
from mmengine.registry import MODELS, DefaultScope

from ..model_index import CONFIGS, config_path, weights_of
from ._on_import import on_import

OWN = 'rsn_mm'
PREFIX = f'{OWN}::'


def missing() -> Optional[str]:
    return None if OWN in MODULE2PACKAGE else 'MMEngine looks for configs in a fixed list of packages'


def install() -> None:
    MODULE2PACKAGE[OWN] = OWN
    original = Config._get_cfg_path

    def get_cfg_path(cfg_path: str, filename: str) -> Tuple[str, Optional[str]]:
        return (str(_ours(cfg_path)), OWN) if cfg_path.startswith(PREFIX) else original(cfg_path, filename)

    Config._get_cfg_path = staticmethod(get_cfg_path)
    on_import('mmengine.hub.hub', _extend_hub)
    on_import('mmengine.infer.infer', _extend_inferencer)


def _ours(name: str) -> Path:
    path = config_path(name.removeprefix(PREFIX))
    if path is None:
        known = [str(file.relative_to(CONFIGS)) for file in CONFIGS.rglob('*.py')]
        near = difflib.get_close_matches(name.removeprefix(PREFIX).removesuffix('.py') + '.py', known, n=4, cutoff=0.5)
        raise FileNotFoundError(f'{name!r} names no config of {OWN}. Give the name of a file below {CONFIGS}'
                                f'{": " if near else ""}{", ".join(PREFIX + other for other in near)}.')
    return path


def _extend_hub(module: ModuleType) -> None:
    original_config, original_model = module.get_config, module.get_model

    def get_config(cfg_path: str, pretrained: bool = False) -> Config:
        if not cfg_path.startswith(PREFIX):
            return original_config(cfg_path, pretrained)
        path = _ours(cfg_path)
        config = Config.fromfile(path)
        if pretrained:
            config.model_path = weights_of(path.stem)
            if config.model_path is None:
                raise ValueError(f'pretrained=True: there are no weights of {cfg_path!r}. Leave it out, and load a checkpoint.')
        return config

    def get_model(cfg_path: str, pretrained: bool = False, **kwargs: Any) -> Any:
        if not cfg_path.startswith(PREFIX):
            return original_model(cfg_path, pretrained, **kwargs)
        config = get_config(cfg_path, pretrained)
        with DefaultScope.overwrite_default_scope(OWN):
            model = MODELS.build(config.model, default_args=kwargs)
        if pretrained:
            module.load_checkpoint(model, config.model_path)
            model._is_init = True  # as MMEngine tells a runner to leave them as they are
        return model

    vars(module).update(get_config=get_config, get_model=get_model)


def _extend_inferencer(module: ModuleType) -> None:
    original = module.BaseInferencer._load_model_from_metafile

    # MMPose's inferencers ask in the scope "mmpose" when nothing else is said.
    def load_model_from_metafile(self: Any, model: str) -> Tuple[Config, Optional[str]]:
        name = model.removeprefix(PREFIX)
        if model.startswith(PREFIX) or (self.scope in (OWN, 'mmpose') and config_path(name) is not None):
            path = _ours(name)
            return Config.fromfile(path), weights_of(path.stem)
        return original(self, model)

    module.BaseInferencer._load_model_from_metafile = load_model_from_metafile

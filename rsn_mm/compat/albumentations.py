"""``Albumentation`` of MMPose's pipelines on albumentations 2, with the names of arguments that its configs use.

MMPose looks up a module that is gone, and albumentations 2 ignores the old names of arguments but for a warning: a coarse
dropout of a third of the crop becomes one of its own sizes.
"""
import importlib.metadata
import warnings
from types import ModuleType
from typing import Any, Dict, Optional

from ._on_import import on_import

# Of transforms in version 1: a range of version 2, and the names of its two ends. Without a lower end both are the upper.
_RANGES = {
    'CoarseDropout': dict(num_holes_range=('min_holes', 'max_holes'), hole_height_range=('min_height', 'max_height'),
                          hole_width_range=('min_width', 'max_width')),
    'GridDropout': dict(unit_size_range=('unit_size_min', 'unit_size_max'), shift_xy=('shift_x', 'shift_y'),
                        holes_number_xy=('holes_number_x', 'holes_number_y')),
}
_RENAMED = {name: dict(fill_value='fill', mask_fill_value='fill_mask') for name in (*_RANGES, 'MaskDropout', 'PadIfNeeded')}
_DEFAULT_END = 8  # of CoarseDropout in version 1


def missing() -> Optional[str]:
    try:
        version = importlib.metadata.version('albumentations')
    except importlib.metadata.PackageNotFoundError:
        return None
    return f'MMPose was written for albumentations 1, not {version}' if int(version.split('.')[0]) >= 2 else None


def install() -> None:
    on_import('mmpose.datasets.transforms.common_transforms', _adapt)


def in_names_of_2(cfg: Dict[str, Any]) -> Dict[str, Any]:
    """A transform's config with the arguments that albumentations 2 knows; new names stay."""
    cfg = dict(cfg)
    kind: Any = cfg.get('type')
    for new, (low, high) in _RANGES.get(kind, {}).items():
        given = {name: cfg.pop(name) for name in (low, high) if name in cfg}
        if any(value is not None for value in given.values()):
            upper = given.get(high)
            upper = _DEFAULT_END if upper is None else upper
            lower = given.get(low)
            cfg.setdefault(new, (upper if lower is None else lower, upper))
    for old, new in _RENAMED.get(kind, {}).items():
        if old in cfg:
            cfg.setdefault(new, cfg.pop(old))
    return cfg


def _adapt(module: ModuleType) -> None:
    augmentations = module.albumentations.augmentations
    if not hasattr(augmentations, 'transforms'):
        augmentations.transforms = augmentations.pixel.transforms
    original = module.Albumentation.albu_builder

    def albu_builder(self: Any, cfg: Dict[str, Any]) -> Any:
        with warnings.catch_warnings():
            warnings.filterwarnings('error', message=r'Argument\(s\)')
            try:
                return original(self, in_names_of_2(cfg))
            except UserWarning as error:
                raise ValueError(f'{error}: albumentations 2 does not know them, and would leave them out. Give the names that '
                                 "it has, or install version 1: pip install 'albumentations<2'.") from None

    module.Albumentation.albu_builder = albu_builder

"""This package's own configs and their weights, by name."""
from functools import lru_cache
from pathlib import Path
from typing import Dict, Optional

import yaml

PACKAGE = Path(__file__).parent
CONFIGS = PACKAGE / '.mim' / 'configs'
# Trained by this project: <config>.safetensors.
WEIGHTS = PACKAGE / 'weights'


def config_path(name: str) -> Optional[Path]:
    """The file of a config.

    Args:
        name (str): As below ``configs``: ``rsn18_coco_256x192``, ``_base_/coco_256x192.py``. ``.py`` may be left out.

    Returns:
        Path: The file, or None where there is none of this name.
    """
    path = CONFIGS / f'{name.removesuffix(".py")}.py'
    return path if path.is_file() else None


def weights_of(name: str) -> Optional[str]:
    """Path of the weights that come with this package, or address of those that the model index lists; None if neither."""
    shipped = WEIGHTS / f'{name}.safetensors'
    return str(shipped) if shipped.is_file() else _listed().get(name)


@lru_cache(maxsize=1)
def _listed() -> Dict[str, str]:
    models = yaml.safe_load((CONFIGS / 'metafile.yml').read_text(encoding='utf-8'))['Models']
    return {model['Name']: model['Weights'] for model in models if 'Weights' in model}

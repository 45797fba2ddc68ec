"""This package's own configs and their weights, by name."""
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Optional

PACKAGE = Path(__file__).parent
CONFIGS = PACKAGE / '.mim' / 'configs'
# Trained by this project: <config>.safetensors.
WEIGHTS = PACKAGE / 'weights'
# What may be left out of a name: rsn50 is rsn50_coco_256x192.
USUAL_ENDING = '_coco_256x192'


def full_name(name: str) -> str:
    """The config that a short name stands for; any other name as it is."""
    name = name.removesuffix('.py')
    return name + USUAL_ENDING if name not in entries() and name + USUAL_ENDING in entries() else name


def config_path(name: str) -> Optional[Path]:
    """The file of a config.

    Args:
        name (str): As below ``configs``: ``rsn18_coco_256x192``, ``_base_/coco_256x192.py``. ``.py`` may be left out, and so
            may the end ``_coco_256x192``.

    Returns:
        Path: The file, or None where there is none of this name.
    """
    path = CONFIGS / f'{full_name(name)}.py'
    return path if path.is_file() else None


def weights_of(name: str) -> Optional[str]:
    """Path of the weights that come with this package, or address of those that the model index lists; None if neither."""
    shipped = WEIGHTS / f'{name}.safetensors'
    return str(shipped) if shipped.is_file() else entries().get(name, {}).get('Weights')


@lru_cache(maxsize=1)
def entries() -> Dict[str, Dict[str, Any]]:
    """What the model index says of each config, by its name."""
    import yaml
    # LibYAML, where there is one, is ten times faster.
    text = (CONFIGS / 'metafile.yml').read_text(encoding='utf-8')
    models = yaml.load(text, getattr(yaml, 'CSafeLoader', yaml.SafeLoader))['Models']
    return {model['Name']: model for model in models}

"""This package's own configs and their weights, by name."""
import reprlib
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

PACKAGE = Path(__file__).parent
CONFIGS = PACKAGE / '.mim' / 'configs'
# Trained by this project: <config>.safetensors.
WEIGHTS = PACKAGE / 'weights'
# What may be left out of a name: rsn50 is rsn50_coco_256x192.
USUAL_ENDING = '_coco_256x192'
# What is read of an entry, and of its Metadata: types, and what to give. All may be left out.
_TEXT, _NUMBER = ((str, ), 'a text'), ((int, float), 'a number')
FIELDS = {'Weights': ((str, ), 'an address'), 'Metadata': ((dict, ), 'an object')}
METADATA = {'Training Data': _TEXT, 'Input Size': _TEXT, 'Paper Result': _TEXT, 'Weights From': _TEXT, 'Weights Result': _TEXT,
            'Parameters': _NUMBER, 'MACs': _NUMBER}


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
    """What the model index says of each config, by its name; see :func:`read_entries`.

    Raises:
        FileNotFoundError, ValueError: if there is none, or it has other types than ``FIELDS`` and ``METADATA`` say.
    """
    path = CONFIGS / 'metafile.yml'
    if not path.is_file():
        raise FileNotFoundError(f'{str(path)!r} is missing: rsn_mm was installed without its configs. Install it again.')
    return {model['Name']: model for model in read_entries(path)}


def read_entries(path: Path) -> List[Dict[str, Any]]:
    """The ``Models`` of a metafile in OpenMMLab's form, each with a ``Name`` and ``Metadata``, which may be empty.

    Raises:
        ValueError: naming the file, the entry and the field, what it is and what is expected.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or not isinstance(content.get('Models'), list):
        raise ValueError(f'{str(path)!r} has no list of Models.')
    found = []
    for i, model in enumerate(content['Models']):
        where = f'{str(path)!r}: Models[{i}]'
        if not isinstance(model, dict) or not isinstance(model.get('Name'), str):
            raise ValueError(f'{where} is {reprlib.repr(model)}. Give an object with a Name, which is a text.')
        model = _of_types(f'{where} ({model["Name"]})', model, FIELDS)
        found.append(dict(model, Metadata=_of_types(f'{where} ({model["Name"]})', model.get('Metadata', {}), METADATA)))
    return found


def _of_types(where: str, fields: Dict[str, Any], expected: Mapping[str, Tuple[Tuple[type, ...], str]]) -> Dict[str, Any]:
    """``fields`` without those that are empty."""
    fields = {key: value for key, value in fields.items() if value is not None}
    for key, (types, words) in expected.items():
        if key in fields and (not isinstance(fields[key], types) or isinstance(fields[key], bool)):
            raise ValueError(f'{where}: {key} is {reprlib.repr(fields[key])}. Give {words}, or leave it out.')
    return fields


def read_yaml(path: Path) -> Any:
    """What a YAML file holds; an empty dict for nothing.

    Raises:
        ValueError: if it is none.
    """
    import yaml
    try:
        # LibYAML, where there is one, is ten times faster: MMPose has a hundred files to look through.
        return yaml.load(path.read_text(encoding='utf-8'), getattr(yaml, 'CSafeLoader', yaml.SafeLoader)) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f'{str(path)!r} is no YAML file: {error}') from error

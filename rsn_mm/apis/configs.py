"""Configs and weights by name: those of this package, and what MMPose and MMDetection list in their model index."""
import difflib
import importlib
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import yaml
from mmengine.config import Config

from ..model_index import WEIGHTS

OWN = 'rsn_mm'


class FoundModel(NamedTuple):
    """A config, and the checkpoint that its package holds (a file) or lists for it (a URL), if any."""
    config: Config
    weights: Optional[str]


def find_model(name: str, package: str = 'mmpose') -> FoundModel:
    """Find a config.

    Args:
        name (str): Path of a config file; name of one of our configs (``rsn18_coco_256x192``); name or alias of a model
            of ``package``; or any of these with its package before it (``mmpose::rtmpose-m``, ``rsn_mm::rsn50_coco_256x192``).
        package (str): ``'mmpose'`` or ``'mmdet'``.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if no model has this name; the nearest names are listed.
    """
    if '::' not in name and (Path(name).suffix == '.py' or Path(name).is_file()):
        return FoundModel(_from_file(Path(name)), None) if Path(name).is_file() else _named(Path(name).stem, name, package)
    return _named(name.removesuffix('.py'), name, package)


def model_names(package: str = OWN) -> List[str]:
    """Names of the configs that a package brings, without those that are only inherited from."""
    configs = _mim_folder(package) / 'configs'
    return sorted(path.stem for path in configs.rglob('*.py') if '_base_' not in path.relative_to(configs).parts)


def require_weights(argument: str, weights: Optional[str], random_weights: bool) -> None:
    """Refuse a network that has learnt nothing, unless it is asked for.

    Raises:
        ValueError: if there are no weights.
        FileNotFoundError: if their file does not exist.
    """
    if weights is None and not random_weights:
        shipped = ', '.join(models_with_weights())
        raise ValueError(f'{argument} is missing: without weights the network says nothing about the picture. Give a '
                         'checkpoint, or ask for random weights (random_weights=True, --random-weights) to try things out.'
                         + (f' Models with weights in this package: {shipped}.' if shipped else ''))
    if weights is not None and '://' not in weights and not Path(weights).expanduser().is_file():
        raise FileNotFoundError(f'{argument}={weights!r} does not exist. Give the path of a checkpoint, or a URL.')


def _named(name: str, given: str, package: str) -> FoundModel:
    packages = [OWN, package] if package == 'mmpose' else [package]
    if '::' in name:
        one, name = name.split('::', 1)
        packages = [one]
    for candidate in packages:
        found = _in_package(Path(name).name, candidate)
        if found is not None:
            return found
    known = [other for candidate in packages for other in model_names(candidate)]
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    if Path(given).suffix == '.py' and len(Path(given).parts) > 1 and '::' not in given:
        raise FileNotFoundError(f'The config {given!r} does not exist.{_did_you_mean(near)}')
    raise ValueError(f'No model of {" or ".join(packages)} is called {given!r}.{_did_you_mean(near)} Give a name, the path of '
                     'a config file, or an exported .onnx or .xml file.')


def _did_you_mean(near: List[str]) -> str:
    return f' Near names: {", ".join(near)}.' if near else ''


def _in_package(name: str, package: str) -> Optional[FoundModel]:
    folder = _mim_folder(package)
    path = next((folder / 'configs').rglob(f'{name}.py'), None)
    if path is not None and package == OWN:
        return FoundModel(_from_file(path), _shipped_weights(name))
    for model in _models(folder):
        aliases = model.get('Alias', [])
        aliases = [aliases] if isinstance(aliases, str) else aliases
        if name.lower() in (alias.lower() for alias in [model['Name'], *aliases]):
            weights = model.get('Weights')
            return FoundModel(_from_file(folder / model['Config']), weights[0] if isinstance(weights, list) else weights)
    return None if path is None else FoundModel(_from_file(path), None)


def models_with_weights() -> List[str]:
    """Names of our configs whose weights are part of the package."""
    return sorted(path.stem for path in WEIGHTS.glob('*.safetensors'))


def _shipped_weights(name: str) -> Optional[str]:
    path = WEIGHTS / f'{name}.safetensors'
    return str(path) if path.is_file() else None


def _models(folder: Path) -> Iterator[Dict[str, Any]]:
    """Entries of the model index, that of MMPose's style, which refers to other files."""
    index = _read_yaml(folder / 'model-index.yml')
    yield from index.get('Models', [])
    for part in index.get('Import', []):
        yield from _read_yaml(folder / part).get('Models', [])


def _read_yaml(path: Path) -> Dict[str, Any]:
    # LibYAML, where there is one, is ten times faster: there are a hundred files to look through.
    return yaml.load(path.read_text(encoding='utf-8'), getattr(yaml, 'CSafeLoader', yaml.SafeLoader)) or {}


def _mim_folder(package: str) -> Path:
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise ValueError(f'The package {package!r} cannot be imported: {error}. Install it, or give a path.') from error
    folder = Path(module.__path__[0]) / '.mim'
    if not (folder / 'configs').is_dir():
        raise ValueError(f'{package} was installed without its configs ({folder} is missing). Give the path of a config.')
    return folder


def _from_file(path: Path) -> Config:
    return Config.fromfile(path.resolve())

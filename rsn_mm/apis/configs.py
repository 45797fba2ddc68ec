"""Configs and weights by name: those of this package, and what MMPose and MMDetection list in their model index."""
import difflib
import importlib.util
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from mmengine.config import Config

from ..downloads import fetch, is_address
from ..files import given_path
from ..model_index import USUAL_ENDING, WEIGHTS, config_path, read_yaml, weights_of
from .zoo import DETECTORS

OWN = 'rsn_mm'
# Addresses of MMEngine's, "s3://..." or "cluster:s3://...".
_STORE = re.compile(r'(\S+:)?(s3|petrel):')


class FoundModel(NamedTuple):
    """A config, and the checkpoint that its package holds (a file) or lists for it (a URL), if any."""
    config: Config
    weights: Optional[str]


def find_model(name: str, package: str = 'mmpose') -> FoundModel:
    """Find a config.

    Args:
        name (str): Path of a config file; name of one of our configs (``rsn18_coco_256x192``, or ``rsn18``) or person
            detectors (``rtmdet_nano_person``); name or alias of a model of ``package``; or any of these with its package before
            it (``mmpose::rtmpose-m``, ``rsn_mm::rsn50``).
        package (str): ``'mmpose'`` or ``'mmdet'``.

    Raises:
        FileNotFoundError: if a path does not exist.
        ValueError: if no model has this name; the nearest names are listed.
    """
    path = given_path('the model', name)
    if '::' not in name and (path.suffix == '.py' or path.is_file()):
        if path.is_dir():
            raise ValueError(f'The config {name!r} is a folder. Give a file.')
        return FoundModel(_from_file(path), None) if path.is_file() else _named(path.stem, name, package)
    return _named(name.removesuffix('.py'), name, package)


def model_names(package: str = OWN) -> List[str]:
    """Names of the configs that a package brings, without those that are only inherited from."""
    configs = _mim_folder(package) / 'configs'
    return sorted(path.stem for path in configs.rglob('*.py') if '_base_' not in path.relative_to(configs).parts)


def find_weights(argument: str, given: Optional[str], found: Optional[str], random_weights: bool) -> Optional[str]:
    """The checkpoint to load, downloaded if need be.

    Args:
        argument (str): What the user calls it.
        given (str, optional): Path or address that the user gives.
        found (str, optional): Path or address that comes with the config. Not downloaded where random weights will do.
        random_weights (bool): Allow a network that has learnt nothing.

    Returns:
        str: Its path, or an address that MMEngine knows to read; None for random weights.

    Raises:
        ValueError: if there are no weights, and random ones are not asked for.
        FileNotFoundError: if their file does not exist.
        DownloadError: if they cannot be downloaded.
    """
    if given is None and random_weights and found is not None and is_address(found):
        return None
    weights = found if given is None else given
    if weights is None and not random_weights:
        shipped = ', '.join(models_with_weights())
        raise ValueError(f'{argument} is missing: without weights the network says nothing about the picture. Give a '
                         'checkpoint, or ask for random weights (random_weights=True, --random-weights) to try things out. '
                         f'Models with weights: rsn-mm models lists them; in this package: {shipped}.')
    if isinstance(weights, str) and is_address(weights):
        return str(fetch(weights))
    if isinstance(weights, str) and _STORE.match(weights) and not importlib.util.find_spec('petrel_client'):
        raise ValueError(f'{argument}={weights!r} is in a store that MMEngine reads by petrel_client, which is not installed. '
                         'Copy the file from there and give its path.')
    if weights is None or '://' in str(weights):
        return weights
    path = given_path(argument, weights)
    if not weights or not path.is_file():
        what = 'is a folder' if weights and path.is_dir() else 'does not exist'
        raise FileNotFoundError(f'{argument}={weights!r} {what}. Give the path of a checkpoint, or a URL.')
    return str(path)


def _named(name: str, given: str, package: str) -> FoundModel:
    packages = [OWN, package] if package == 'mmpose' else [package]
    if '::' in name:
        one, name = name.split('::', 1)
        packages = [one]
    if name in DETECTORS and package == 'mmdet':
        detector = DETECTORS[name]
        return FoundModel(_from_file(_mim_folder('mmpose') / detector.config), detector.weights)
    for candidate in packages:
        found = _in_package(Path(name).name, candidate)
        if found is not None:
            return found
    known = [other for candidate in packages for other in model_names(candidate)]
    known += [other.removesuffix(USUAL_ENDING) for other in known if other.endswith(USUAL_ENDING)]
    near = difflib.get_close_matches(name, known, n=4, cutoff=0.5)
    if Path(given).suffix == '.py' and len(Path(given).parts) > 1 and '::' not in given:
        raise FileNotFoundError(f'The config {given!r} does not exist.{_did_you_mean(near)}')
    raise ValueError(f'No model of {" or ".join(packages)} is called {given!r}.{_did_you_mean(near)} Give a name, the path of '
                     'a config file, or an exported .onnx or .xml file.')


def _did_you_mean(near: List[str]) -> str:
    return f' Near names: {", ".join(near)}.' if near else ''


def _in_package(name: str, package: str) -> Optional[FoundModel]:
    folder = _mim_folder(package)
    if package == OWN:
        path = config_path(name)
        return None if path is None else FoundModel(_from_file(path), weights_of(path.stem))
    path = next((folder / 'configs').rglob(f'{name}.py'), None)
    for model in _models(folder):
        if name.lower() in (alias.lower() for alias in _texts(model.get('Name')) + _texts(model.get('Alias'))):
            config = next((folder / one for one in _texts(model.get('Config'))), path)
            if config is None or not config.is_file():
                raise ValueError(f'{package} lists {name!r} with the config {model.get("Config")!r}, which it does not hold. '
                                 'Give the path of a config.')
            return FoundModel(_from_file(config), next(iter(_texts(model.get('Weights'))), None))
    return None if path is None else FoundModel(_from_file(path), None)


def models_with_weights() -> List[str]:
    """Names of our configs whose weights are part of the package."""
    return sorted(path.stem for path in WEIGHTS.glob('*.safetensors'))


def _models(folder: Path) -> Iterator[Dict[str, Any]]:
    """Entries of the model index, that of MMPose's style, which refers to other files; a package may have none."""
    files = [folder / 'model-index.yml']
    for file in files:  # which grows
        content = read_yaml(file) if file.is_file() else {}
        if isinstance(content, dict):
            yield from (model for model in content.get('Models') or [] if isinstance(model, dict))
            files += [folder / part for part in _texts(content.get('Import')) if folder / part not in files]


def _texts(value: Any) -> List[str]:
    """The texts of a field that may hold one or several, or none."""
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]


def _mim_folder(package: str) -> Path:
    try:
        module = importlib.import_module(package)
    except (ImportError, ValueError, TypeError) as error:  # no name at all, or one that begins with a dot
        raise ValueError(f'The package {package!r} cannot be imported: {error}. Install it, or give a path.') from error
    folder = Path(module.__path__[0]) / '.mim'
    if not (folder / 'configs').is_dir():
        raise ValueError(f'{package} was installed without its configs ({folder} is missing). Give the path of a config.')
    return folder


def _from_file(path: Path) -> Config:
    try:
        return Config.fromfile(path.resolve())
    except Exception as error:  # whatever code there is in it raises
        raise ValueError(f'The config {str(path)!r} cannot be read: {type(error).__name__}: {error}. A config is a .py file of '
                         'MMEngine, with all that it names by _base_ and imports.') from error

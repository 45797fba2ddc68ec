"""Weights in safetensors files, which cannot hold code. The package ``safetensors`` is asked for only here."""
import json
import os
from typing import Any, Dict

from torch import Tensor

SUFFIX = '.safetensors'


def is_safetensors(filename: Any) -> bool:
    return os.fspath(filename).endswith(SUFFIX)


def read_safetensors(filename: str, map_location: Any = None) -> dict:
    """Read a file as a checkpoint.

    Args:
        filename (str): Path of the file.
        map_location: As in :func:`torch.load`, a device or its name. Defaults to None, which is the CPU.

    Returns:
        dict: ``state_dict``, the tensors by name, and ``meta``, the texts that the file holds beside them.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if it is not a whole safetensors file.
    """
    package = _package()
    device = 'cpu' if map_location is None else str(map_location)
    try:
        with package.safe_open(filename, framework='pt', device=device) as file:
            return dict(state_dict={name: file.get_tensor(name) for name in file.keys()}, meta=dict(file.metadata() or {}))
    except package.SafetensorError as error:
        raise ValueError(f'{filename!r} is not a whole safetensors file: it may be cut short, or another kind of file. '
                         f'Copy or convert it again. ({error})') from error


def write_safetensors(filename: str, state: Dict[str, Tensor], meta: dict) -> None:
    """Write tensors, and of ``meta`` what is text or JSON; the format has no place for more.

    Raises:
        ImportError: if the package is not installed.
        OSError: if the file cannot be written.
    """
    _package()
    from safetensors.torch import save
    texts = {'format': 'pt'}
    for name, value in meta.items():
        try:
            texts[str(name)] = value if isinstance(value, str) else json.dumps(value)
        except (TypeError, ValueError):
            continue
    # Tensors that share memory are refused by the format.
    alone = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    # Not save_file, whose files nobody but their owner may read.
    with open(filename, 'wb') as file:
        file.write(save(alone, texts))


def _package() -> Any:
    try:
        import safetensors
    except ImportError as error:
        raise ImportError('Files that end in .safetensors need the package safetensors, which is not installed. Remedy: '
                          'pip install safetensors, or use a .pth file.') from error
    return safetensors

"""JSON files from anywhere, whole or broken."""
import json
from pathlib import Path
from typing import Any, Callable, Optional, Union

# What compressed files begin with.
_COMPRESSED = {b'\x1f\x8b': 'gzip', b'PK\x03\x04': 'zip', b'BZh': 'bzip2', b'\xfd7zXZ': 'xz', b'\x28\xb5\x2f\xfd': 'zstd'}


def read_json(path: Union[str, Path]) -> Any:
    """Content of a JSON file, see :func:`parse_json`.

    Raises:
        OSError: if it cannot be read.
        ValueError: saying why, without the file's name, if it is not JSON.
    """
    return parse_json(Path(path).read_bytes())


def parse_json(data: bytes, object_hook: Optional[Callable[[dict], Any]] = None) -> Any:
    """Content of JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark.

    Args:
        data (bytes): A whole file.
        object_hook (Callable, optional): Makes something else of each object, as in ``json.loads``.

    Raises:
        ValueError: saying why, if it is not JSON, or nested deeper than Python reads.
    """
    for start, name in _COMPRESSED.items():
        if data.startswith(start):
            raise ValueError(f'it is no JSON file but compressed by {name}: unpack it first')
    encoding = json.detect_encoding(data)
    try:
        return json.loads(data.decode(encoding), object_hook=object_hook)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    except UnicodeDecodeError as error:
        raise ValueError(f'it is no JSON file in UTF-8, UTF-16 or UTF-32: not {error.encoding} at byte {error.start}: '
                         f'{error.reason}') from error
    except ValueError as error:
        raise ValueError(f'it is no whole JSON file: {error}') from error

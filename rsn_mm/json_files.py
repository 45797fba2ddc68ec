"""JSON files from anywhere, whole or broken."""
import json
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Union

# What compressed files begin with.
_COMPRESSED = {b'\x1f\x8b': 'gzip', b'PK\x03\x04': 'zip', b'BZh': 'bzip2', b'\xfd7zXZ': 'xz', b'\x28\xb5\x2f\xfd': 'zstd'}
Replacements = Mapping[str, Callable[[Any], Any]]


def read_json(path: Union[str, Path]) -> Any:
    """Content of a JSON file, see :func:`parse_json`.

    Raises:
        OSError: if it cannot be read.
        ValueError: saying why, without the file's name, if it is not JSON.
    """
    return parse_json(Path(path).read_bytes())


def parse_json(data: bytes, items: Optional[Replacements] = None) -> Any:
    """Content of JSON in UTF-8, UTF-16 or UTF-32, with or without a byte order mark, as ``json.loads`` has it.

    Args:
        data (bytes): A whole file.
        items (Mapping, optional): By the name of a list in the outermost object, what is called with each of its items as
            soon as it is read, and makes the item that is kept. A large list is never held as it stands in the file.

    Raises:
        ValueError: saying why, if it is not JSON, or nested deeper than Python reads.
    """
    for start, name in _COMPRESSED.items():
        if data.startswith(start):
            raise ValueError(f'it is no JSON file but compressed by {name}: unpack it first')
    items = items or {}
    try:
        return _parse_by_parts(data, items)
    except (ImportError, ValueError, RecursionError):
        # The standard library is always there, takes three times as long, reads NaN and UTF-16, too, and says what is wrong.
        return _parse_whole(data, items)


def _parse_by_parts(data: bytes, items: Replacements) -> Any:
    """The ends of parts are found first, which takes little; then one part after the other becomes objects."""
    from msgspec import Raw, ValidationError
    from msgspec.json import decode

    if not items:
        return decode(data)
    try:
        parts = decode(data, type=Dict[str, Raw])
    except ValidationError:  # no object
        return decode(data)
    return {name: [items[name](decode(item)) for item in decode(part, type=List[Raw])] if name in items else decode(part)
            for name, part in parts.items()}


def _parse_whole(data: bytes, items: Replacements) -> Any:
    encoding = json.detect_encoding(data)
    try:
        content = json.loads(data.decode(encoding))
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    except UnicodeDecodeError as error:
        raise ValueError(f'it is no JSON file in UTF-8, UTF-16 or UTF-32: not {error.encoding} at byte {error.start}: '
                         f'{error.reason}') from error
    except ValueError as error:
        raise ValueError(f'it is no whole JSON file: {error}') from error
    for name, replacement in items.items():
        if isinstance(content, dict) and isinstance(content.get(name), list):
            content[name] = list(map(replacement, content[name]))
    return content

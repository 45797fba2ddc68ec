"""JSON files from anywhere, whole or broken."""
import json
from pathlib import Path
from typing import Any, Union


def read_json(path: Union[str, Path]) -> Any:
    """Content of a JSON file.

    Args:
        path (str | Path): The file, in UTF-8, UTF-16 or UTF-32.

    Raises:
        OSError: if it cannot be read.
        ValueError: saying why, without the file's name, if it is not JSON or nested deeper than Python reads.
    """
    content = Path(path).read_bytes()
    try:
        return json.loads(content)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    except ValueError as error:
        raise ValueError(f'it is not JSON ({error})') from error

"""Each assignment of a config is laid out once per process.

MMEngine lays out the whole config with yapf whenever it needs its text: at the start of a training four times, and twice for
every checkpoint, 2 to 3 s of a CPU each for a config of this project's size. The text stays what it is: yapf looks at no more
than one assignment at a time.
"""
import ast
import functools
from typing import Any, Callable, List, Optional, Tuple

from ._on_import import on_import


def missing() -> Optional[str]:
    return 'MMEngine lays out the whole config again for every checkpoint'


def install() -> None:
    on_import('mmengine.config.config', _adapt)


def _adapt(module: Any) -> None:
    module.FormatCode = by_assignment(module.FormatCode)


def by_assignment(lay_out: Callable[..., Tuple[str, bool]]) -> Callable[..., Tuple[str, bool]]:
    """yapf's ``FormatCode``, which remembers the assignments that it has seen."""
    known = functools.lru_cache(maxsize=1000)(lambda code, options: lay_out(code, **options.kwargs)[0])

    @functools.wraps(lay_out)
    def by_assignments(code: str, *args: Any, **kwargs: Any) -> Tuple[str, bool]:
        parts = [] if args else assignments(code)
        if not parts:
            return lay_out(code, *args, **kwargs)
        text = ''.join(known(part, _Options(kwargs)) for part in parts)
        return text, text != code

    return by_assignments


class _Options:
    """Keyword arguments that a cache can compare."""

    def __init__(self, kwargs: dict) -> None:
        self.kwargs, self._key = kwargs, repr(kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Options) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)


def assignments(code: str) -> List[str]:
    """The lines of each assignment; nothing where there is anything else, be it a comment or an empty line."""
    try:
        statements = ast.parse(code).body
    except (SyntaxError, ValueError):  # yapf has its own words for it
        return []
    lines, parts, line = code.splitlines(keepends=True), [], 1
    for statement in statements:
        if not isinstance(statement, ast.Assign) or statement.lineno != line or statement.end_lineno is None:
            return []
        parts.append(''.join(lines[line - 1:statement.end_lineno]))
        line = statement.end_lineno + 1
    return parts if line == len(lines) + 1 and all(part.endswith('\n') for part in parts[:-1]) else []

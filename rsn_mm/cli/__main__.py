"""``python -m rsn_mm.cli``, and the script ``rsn-mm``: the command in a process of its own."""
import sys

from .. import compat
from . import starting
from .main import main


def run_as_process() -> int:
    """:func:`main`, where nobody else's code minds what is imported when, and when garbage is looked for."""
    compat.allow_lean_imports()
    starting.allow()
    return main()


if __name__ == '__main__':
    sys.exit(run_as_process())

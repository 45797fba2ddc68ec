"""``python -m rsn_mm.cli``, and the script ``rsn-mm``: the command in a process of its own."""
import os
import sys

from ..compat import claim_process
from .main import FAILURE, main


def run_as_process() -> int:
    """:func:`main`, where nobody else's code minds what is imported when, and when garbage is looked for."""
    claim_process()
    try:
        status = main()
        # After an interrupt inside exec(), which makes named tuples, `python -m` ends by the signal, until another exec().
        exec('')
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # who reads the output, such as head, has seen enough
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):  # Python writes what is left at its end
            os.dup2(nowhere, stream.fileno())
        return FAILURE


if __name__ == '__main__':
    sys.exit(run_as_process())

"""A home directory where a process has none: no HOME, and a user whom the system does not know, as in many containers.

yapf, which MMEngine imports, and PyTorch's caches ask for one, and end in an error of theirs.
"""
import os
import tempfile
from pathlib import Path
from typing import Optional


def missing() -> Optional[str]:
    if os.path.expanduser('~') == '~':
        return 'there is no HOME, and no user of this number: caches go to a temporary folder'
    return None


def install() -> None:
    number = os.getuid()
    folder = Path(tempfile.gettempdir()) / f'rsn_mm-home-{number}'
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        ours = folder.stat().st_uid == number and os.access(folder, os.W_OK)
    except OSError:
        ours = False
    # For processes that are started from here, too.
    os.environ['HOME'] = str(folder) if ours else tempfile.mkdtemp(prefix='rsn_mm-home-')
    os.environ.setdefault('USER', f'uid{number}')

"""Adapter: :mod:`rsn_mm.compat.ops` in the place of MMCV's compiled ops, where these are missing or do not load.

MMCV publishes no wheels for recent versions of PyTorch, and building one takes long. ``mmcv-lite``, which has no ops,
installs at once, but ``mmcv.ops``, and all of MMDetection and MMPose's models, do not import with it.
"""
import functools
import importlib
import importlib.util
import sys
from typing import Optional

import torch

_STAND_IN = 'rsn_mm.compat.ops.ext'


@functools.cache
def missing() -> Optional[str]:
    """Why the adapter is needed here.

    Returns:
        str | None: the reason, or None where the compiled ops load, or MMCV is not installed at all. Found out once per
        process.
    """
    if importlib.util.find_spec('mmcv') is None:
        return None
    try:
        module = importlib.import_module('mmcv._ext')
    except ModuleNotFoundError as error:
        if error.name == 'mmcv._ext':
            return 'mmcv has no compiled ops'
        raise
    except Exception as error:  # most often an ImportError: undefined symbol, after another torch was installed
        first_line = (str(error).splitlines() or [''])[0]
        return f'the compiled ops of mmcv do not load beside torch {torch.__version__}: {first_line[:120]}'
    return 'the ops of mmcv have been replaced before' if module.__name__ == _STAND_IN else None


def install() -> None:
    """Make ``mmcv._ext`` a name of :mod:`rsn_mm.compat.ops.ext`."""
    mmcv = importlib.import_module('mmcv')
    module = importlib.import_module(_STAND_IN)
    sys.modules['mmcv._ext'] = module
    mmcv._ext = module  # type: ignore[attr-defined]


def remedy() -> str:
    """What to type to have the compiled ops."""
    version = getattr(sys.modules.get('mmcv'), '__version__', '2.1.0')
    return (f'Install MMCV with ops for torch {torch.__version__}: after pip uninstall -y mmcv-lite mmcv, '
            f'mim install mmcv=={version} where OpenMMLab offers a wheel for this torch; else, with a C++ compiler and '
            f'half an hour, MMCV_WITH_OPS=1 pip install --no-build-isolation --no-binary mmcv mmcv=={version}')

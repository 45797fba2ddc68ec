"""MMPose's training and test scripts, run as they are."""
import runpy
from pathlib import Path

import mmpose


def run_mmpose_tool(name: str) -> None:
    """Run a script of MMPose with the command line of this process.

    Args:
        name (str): ``'train'`` or ``'test'``.

    Raises:
        FileNotFoundError: if MMPose was installed without its scripts.
    """
    script = Path(mmpose.__file__).parent / '.mim' / 'tools' / f'{name}.py'
    if not script.is_file():
        raise FileNotFoundError(f'{script} does not exist: this MMPose was installed in editable mode or without its tools. '
                                'Remedy: pip install --no-deps mmpose==1.3.2')
    runpy.run_path(str(script), run_name='__main__')

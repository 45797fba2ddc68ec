"""``python -m rsn_mm.run SCRIPT ...``: run a script that knows nothing of rsn_mm on an importable stack.

MMPose's and MMDetection's scripts import ``mmpose.apis`` or ``mmdet.apis`` first, which fails on a current PyTorch before
any config can import :mod:`rsn_mm`. Here it is imported before the script starts; nothing else differs from
``python SCRIPT ...``.
"""
import argparse
import runpy
import sys
from pathlib import Path


def find_script(name: str) -> Path:
    """Where a script is.

    Args:
        name (str): path of a file, or of one that MMPose installs, such as ``demo/topdown_demo_with_mmdet.py``.

    Raises:
        FileNotFoundError: naming both places where it was looked for.
    """
    import mmpose
    installed = Path(mmpose.__file__).parent / '.mim' / name
    for script in (Path(name), installed):
        if script.is_file():
            return script.resolve()
    raise FileNotFoundError(f'SCRIPT={name!r} is neither a file nor a script that MMPose installs ({installed}). Give the '
                            'path of a Python file, or a name like demo/topdown_demo_with_mmdet.py.')


def main() -> None:
    """Run the script that the command line names, with the arguments after it."""
    parser = argparse.ArgumentParser(prog='python -m rsn_mm.run', description='Run a script of MMPose or MMDetection.')
    parser.add_argument('script', metavar='SCRIPT', help='a Python file, or demo/... or tools/... of the installed MMPose')
    parser.add_argument('arguments', nargs=argparse.REMAINDER, metavar='...', help='passed on to the script')
    options = parser.parse_args()
    script = find_script(options.script)
    sys.argv = [str(script), *options.arguments]
    sys.path[0] = str(script.parent)  # as Python sets it for a script; for -m it is the working directory
    runpy.run_path(str(script), run_name='__main__')


if __name__ == '__main__':
    main()

"""Run ``tools/train.py`` and ``tools/test.py`` several times in one process, as importing takes longer than a tiny run.

``python tests/reliability/in_turn.py RUNS.json``: a list of command lines, such as ``["train.py", "config.py", "--resume"]``.
``torch.distributed.run`` starts this in place of the script itself.
"""
import json
import runpy
import sys
from pathlib import Path

import rsn_mm  # noqa: F401  makes the stack importable

# After rsn_mm, which makes the stack importable.
from mmengine.config import config as mmengine_config  # isort: skip

TOOLS = Path(__file__).parents[2] / 'tools'


def main() -> None:
    # Every run writes its config, which takes MMEngine a second to lay out prettily.
    mmengine_config.FormatCode = lambda text, **_: (text, True)
    for script, *arguments in json.loads(Path(sys.argv[1]).read_text()):
        sys.argv = [script, *arguments]
        runpy.run_path(str(TOOLS / script), run_name='__main__')


if __name__ == '__main__':
    main()

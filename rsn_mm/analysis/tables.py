"""The paper's tables next to what is counted and measured here."""
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from mmengine.config import Config

from ..models.blocks import ResidualStepsBlock
from ..models.rival_blocks import Res2NetBlock, ResNetBlock
from . import paper
from .complexity import Complexity, build_on_meta, count_complexity, input_size_of
from .logs import Measured, find_results
from .receptive_fields import Fields, UnconnectedStepsBlock, receptive_fields, step_receptive_fields

OURS = 'ours'  # in a row's ``config_state``
NO_CONFIG = 'no config'
OTHERS = 'not of this network'
ENSEMBLE = 'ensemble'
# The printed cost of a network fits the built one if their ratio differs from that of ResNet by no more than this share.
FIT = 0.05


class ComparedRow(NamedTuple):
    """A row of the paper with what is known of it here.

    paper: the row as printed. config: name of the config, of the released structure or of the wide one, None where there is
    none. config_state: ``'ours'`` (a config exists), ``'no config'``, ``'ensemble'``, or ``'not of this network'``.
    complexity: with all units' heads, as in training. predicting: with the last unit's head alone. measured: of a log.
    """
    paper: paper.Row
    config: Optional[str]
    config_state: str
    complexity: Optional[Complexity]
    predicting: Optional[Complexity]
    measured: Optional[Measured]


class ComparedFields(NamedTuple):
    """Receptive fields: those printed, and those of the built block. name: of the block, or of one of its branches."""
    table: int
    name: str
    printed: List[Fields]
    built: List[Fields]


def compare_rows(tables: Sequence[int], configs: Path, logs: Optional[Path] = None) -> List[ComparedRow]:
    """Build the config of every row and look for its results.

    Args:
        tables (Sequence[int]): Numbers out of 3, 4, 5, 6, 8.
        configs (Path): Folder of the configs.
        logs (Path, optional): Folder with work folders of runs.

    Returns:
        list[ComparedRow]: In the paper's order; a row that has a wide form, too, comes twice.

    Raises:
        FileNotFoundError: if one of the folders does not exist.
    """
    if not configs.is_dir():
        raise FileNotFoundError(f'configs={str(configs)!r} is not a folder: name the one that holds rsn18_coco_256x192.py.')
    results = {
        metric: find_results(logs, *metric) if logs is not None else {}
        for metric in {paper.METRICS[table] for table in tables if table in paper.METRICS}
    }
    counted: Dict[str, Tuple[Complexity, Complexity]] = {}
    rows = []
    for row in paper.ROWS:
        if row.table not in tables:
            continue
        for config in (row.config, row.wide) if row.wide else (row.config, ):
            measured = None if config is None else results[paper.METRICS[row.table]].get(config)
            rows.append(_compare(row, config, configs, counted, measured))
    return rows


def _compare(row: paper.Row, config: Optional[str], configs: Path, counted: Dict[str, Tuple[Complexity, Complexity]],
             measured: Optional[Measured]) -> ComparedRow:
    if config is None:
        ours = row.remark == 'ensemble' and 'RSN' in row.name
        return ComparedRow(row, None, ENSEMBLE if ours else OTHERS, None, None, None)
    file = configs / f'{config}.py'
    if not file.is_file():
        return ComparedRow(row, config, NO_CONFIG, None, None, measured)
    if config not in counted:
        cfg = Config.fromfile(file)
        model = build_on_meta(cfg)
        size = input_size_of(cfg)
        counted[config] = count_complexity(model, size), count_complexity(model, size, prediction=True)
    training, predicting = counted[config]
    return ComparedRow(row, config, OURS, training, predicting, measured)


def printed_ratio(row: ComparedRow) -> Optional[float]:
    """GFLOPs printed over G MACs counted, None where one of them is not known."""
    if row.complexity is None or row.paper.gflops is None:
        return None
    return row.paper.gflops / (row.complexity.macs / 1e9)


def fits(row: ComparedRow, rows: Sequence[ComparedRow]) -> Optional[bool]:
    """Whether a network of RSN's is the one whose cost the paper printed, judged by ResNet in the same body.

    The paper prints ResNet's rows, whose structure is known, at a certain ratio to the count. A row of RSN fits if its own is
    within :data:`FIT` of that of the ResNet of the same depth in Table 3, with as many stages if there is one.

    Args:
        row (ComparedRow): The row.
        rows (Sequence[ComparedRow]): All rows, Table 3 among them.

    Returns:
        bool | None: None for rows that are not RSN's, and where a number is missing.
    """
    ratio, network = printed_ratio(row), row.paper.name.split(' ')[0]
    if ratio is None or 'RSN' not in network:
        return None
    found = {other.paper.name: printed_ratio(other) for other in rows if other.paper.table == 3}
    like = network.replace('RSN', 'ResNet')
    reference = found.get(like, found.get(like.split('x')[-1]))
    return None if reference is None else abs(ratio / reference - 1) <= FIT


def compare_fields(tables: Sequence[int]) -> List[ComparedFields]:
    """Tables 1 and 2 as printed, and from gradients of blocks that are built for it (a few channels suffice).

    Args:
        tables (Sequence[int]): 1, 2 or both.

    Returns:
        list[ComparedFields]: One entry a branch for Table 1, one a block for Table 2.
    """
    rows = []
    if 1 in tables:
        steps = step_receptive_fields(ResidualStepsBlock(8, 8, branch_width=1))
        for branch in range(1, 5):
            keys = [(branch, step) for step in range(1, branch + 1)]
            rows.append(ComparedFields(1, f'i = {branch}', [paper.TABLE_1[key] for key in keys],
                                       [steps[key] for key in keys]))
    if 2 in tables:
        blocks = {
            'ResNet': ResNetBlock(8, 8, width=4),
            'OSNet': UnconnectedStepsBlock(8, 8, branch_width=1),
            'Res2Net': Res2NetBlock(8, 8, width=1),
            'RSN': ResidualStepsBlock(8, 8, branch_width=1),
        }
        rows += [ComparedFields(2, name, paper.TABLE_2[name], receptive_fields(block)) for name, block in blocks.items()]
    return rows

"""The comparison of tables as Markdown, plain text or JSON."""
import json
from typing import Any, Dict, List, Optional, Sequence

from tabulate import tabulate

from . import paper
from .receptive_fields import Fields
from .tables import ENSEMBLE, NO_CONFIG, OURS, ComparedFields, ComparedRow, fits, printed_ratio

FORMATS = ('markdown', 'text', 'json')
NOT_TRAINED = 'not trained here'

COLUMNS = ('row', 'input', 'paper', 'measured', 'GFLOPs printed', 'G MACs counted', 'printed / counted', 'fits',
           '+ elementwise', 'predicting', 'M parameters', 'config')

LEGEND = """\
paper: as printed, in percent. measured: the best validation found in the logs, in percent, on the data of that run.
G MACs counted: multiply-adds of convolutions and linear layers of one image through the built model with all units' heads,
in units of 10^9. fits: for RSN, whether printed / counted is within 5 % of that of the ResNet of the same depth (and stages,
if there is one) in Table 3, whose structure is known. Rows with two configs: the released structure, which the public
weights fit, then the wide one (expansion 4). + elementwise: with one operation for each output element of all other layers (2
for a normalisation, 4 for an interpolation, one an input for pooling and means). predicting: G MACs with the last unit's head
alone; the flip test doubles it. Nobody's weights are needed for any of this: models are built without memory for them."""

GAP = """\
Why printed and counted differ is not known, and nothing here is fitted to close the gap. What can be said:
- The printed numbers are multiply-adds: PRM costs 1.8 and 4.0 (Tables 5 and 6), where ours has 1.81 and 4.08 G; and
  384x288 is printed at 2.25 times 256x192, the ratio of the areas.
- Counting everything else as well adds 1 to 2 %, so the layers that are left out do not explain it.
- The ratio differs from row to row (1.1 at RSN-18, 1.4 to 1.7 at the deeper RSNs of the released structure, less than 1 at
  ResNet-50), so no unit or constant factor explains it.
- The released code holds RSN-18 and its multi-stage form, whose level widths (64, 128, 256, 512) the deeper models here
  continue, as MMPose's do. The wide configs have levels four times as wide, with branches of 26, 52, 104 and 208 channels,
  as bottlenecks have: their ratios are those of ResNet. No public checkpoint is of that kind."""


def render(fields: Sequence[ComparedFields], rows: Sequence[ComparedRow], style: str) -> str:
    """Write the comparison out.

    Args:
        fields (Sequence[ComparedFields]): Rows of Tables 1 and 2.
        rows (Sequence[ComparedRow]): Rows of the other tables.
        style (str): ``'markdown'``, ``'text'`` or ``'json'``.

    Returns:
        str: Ends with a line break.

    Raises:
        ValueError: if ``style`` is none of these.
    """
    if style not in FORMATS:
        raise ValueError(f'style={style!r} is not known: give one of {", ".join(FORMATS)}.')
    if style == 'json':
        records = [_fields_record(row) for row in fields] + [_record(row) for row in rows]
        return json.dumps(records, indent=1) + '\n'
    heading, form = ('## ', 'pipe') if style == 'markdown' else ('', 'simple')
    parts = []
    for table in sorted({row.table for row in fields}):
        cells = [[row.name, *(_pair(a, b) for a, b in zip(row.printed, row.built))] for row in fields if row.table == table]
        names = [f'y_(i,{j})' if table == 1 else f'y{j}' for j in range(1, 5)]
        headers = ['branch' if table == 1 else 'block', *names]
        cells = [line + [''] * (len(headers) - len(line)) for line in cells]
        parts += [f'{heading}{paper.CAPTIONS[table]}', tabulate(cells, headers, form, disable_numparse=True),
                  'Printed, and measured by gradients of the built block: one set where both agree.']
    for table in sorted({row.paper.table for row in rows}):
        cells = [_cells(row, fits(row, rows)) for row in rows if row.paper.table == table]
        align = ['left', 'left', *['right'] * 9, 'left']
        parts += [f'{heading}{paper.CAPTIONS[table]}',
                  tabulate(cells, COLUMNS, form, disable_numparse=True, colalign=align)]
        remarks = dict.fromkeys(f'{row.paper.name} ({row.paper.result}): {row.paper.remark}.' for row in rows
                                if row.paper.table == table and row.paper.remark not in ('', ENSEMBLE))
        if remarks:
            parts.append('\n'.join(f'- {remark}' for remark in remarks))
    if rows:
        parts += [f'{heading}What the columns say', LEGEND, f'{heading}The gap', GAP]
    return '\n\n'.join(parts) + '\n'


def _cells(row: ComparedRow, fit: Optional[bool]) -> List[str]:
    printed, counted, ratio = row.paper.gflops, row.complexity, printed_ratio(row)
    cells = [row.paper.name, row.paper.size or '-', f'{row.paper.result:.1f}', _measured(row),
             '-' if printed is None else f'{printed:.1f}']
    if counted is None or row.predicting is None:
        return [*cells, *['-'] * 6, _config(row)]
    giga = counted.macs / 1e9
    return [*cells, f'{giga:.3f}', '-' if ratio is None else f'{ratio:.2f}',
            '-' if fit is None else 'yes' if fit else 'no',
            f'{giga + counted.elementwise / 1e9:.3f}', f'{row.predicting.macs / 1e9:.3f}', f'{counted.parameters / 1e6:.2f}',
            _config(row)]


def _measured(row: ComparedRow) -> str:
    if row.measured is not None:
        return f'{row.measured.value:.1f}'
    return NOT_TRAINED if row.config_state in (OURS, NO_CONFIG) else '-'


def _config(row: ComparedRow) -> str:
    if row.config_state == OURS:
        return f'{row.config}.py'
    return f'no config ({row.config}.py)' if row.config_state == NO_CONFIG else row.config_state


def _pair(printed: Fields, built: Fields) -> str:
    text = _set(built)
    return text if printed == built else f'printed {_set(printed)}, built {text}'


def _set(fields: Fields) -> str:
    return ', '.join(map(str, sorted(fields))) or '-'


def _record(row: ComparedRow) -> Dict[str, Any]:
    record = dict(row.paper._asdict(), config=row.config, config_state=row.config_state)
    for name, counted in (('training', row.complexity), ('predicting', row.predicting)):
        record[name] = None if counted is None else counted._asdict()
    record['measured'] = None if row.measured is None else dict(value=row.measured.value, file=str(row.measured.file))
    return record


def _fields_record(row: ComparedFields) -> Dict[str, Any]:
    return dict(table=row.table, name=row.name, printed=[sorted(fields) for fields in row.printed],
                built=[sorted(fields) for fields in row.built])

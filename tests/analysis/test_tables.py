"""The comparison with the paper: what is printed, what stands beside it, in all three forms."""
import json
import subprocess
from pathlib import Path

import pytest

from rsn_mm.analysis import paper
from rsn_mm.analysis.complexity import Complexity
from rsn_mm.analysis.report import render
from rsn_mm.analysis.tables import ComparedRow, compare_fields, compare_rows, fits

from .. import warm

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def two_configs(tmp_path_factory) -> Path:
    """A folder of configs that knows RSN-18 alone, and one that inherits from it."""
    folder = tmp_path_factory.mktemp('configs')
    (folder / '_base_').symlink_to(ROOT / 'configs' / '_base_')
    for name in ('rsn18_coco_256x192', 'rsn18_mpii_256x256'):
        (folder / f'{name}.py').write_text((ROOT / 'configs' / f'{name}.py').read_text())
    return folder


class TestPaper:
    """Transcription: relations that the paper states in words or columns of its own."""

    def by_name(self, table: int) -> dict:
        return {(row.name, row.size): row for row in paper.ROWS if row.table == table}

    def test_number_of_rows(self):
        assert [sum(row.table == table for row in paper.ROWS) for table in (3, 4, 5, 6, 8)] == [15, 10, 8, 17, 11]

    def test_deltas_of_table_3(self):
        rows = self.by_name(3)
        deltas = {'18': (.6, 2.9), '50': (.6, 2.5), '101': (.7, 2.6)}  # RSN-101 is printed with +2.5
        for depth, expected in deltas.items():
            base = rows[f'ResNet-{depth}', '256x192'].result
            found = [round(rows[f'{block}-{depth}', '256x192'].result - base, 1) for block in ('Res2Net', 'RSN')]
            assert found == list(expected)

    def test_deltas_of_table_5(self):
        rows = self.by_name(5)
        for name, delta in {'ResNet-18': 1.5, 'ResNet-50': 1.2, '4xResNet-50': .4, '4xRSN-50': .4}.items():
            pair = [rows[f'{name}{suffix}', '256x192'] for suffix in ('', ' + PRM')]
            assert round(pair[1].result - pair[0].result, 1) == delta
            assert round(pair[1].gflops - pair[0].gflops, 1) == 1.8

    def test_four_branches_are_best(self):
        for depth in ('18', '50'):
            results = [row.result for row in paper.ROWS if row.table == 4 and row.name.startswith(f'RSN-{depth},')]
            assert max(results) == results[2] and len(results) == 5

    def test_tables_agree_where_they_meet(self):
        printed = {}
        for row in paper.ROWS:
            if row.table in (3, 4, 5) and row.config:
                printed.setdefault(row.config, set()).add(row.result)
        assert all(len(values) == 1 for values in printed.values())

    def test_every_row_with_a_config_has_one(self):
        """No row of ours is left without the config that stands for it."""
        named = {config for row in paper.ROWS for config in (row.config, row.wide) if config}
        assert named <= {path.stem for path in (ROOT / 'configs').glob('*.py')}
        wide = {path.stem for path in (ROOT / 'configs').glob('*_wide_*.py')}
        assert wide == {row.wide for row in paper.ROWS if row.wide} and wide


class TestRows:

    def test_a_row_with_config_log_and_printed_numbers(self, two_configs, tmp_path):
        log = tmp_path / 'rsn18_coco_256x192' / 'metrics.json'
        log.parent.mkdir()
        log.write_text('{"coco/AP": 0.712}')
        row = next(r for r in compare_rows([3], two_configs, tmp_path) if r.paper.name == 'RSN-18')
        assert (row.paper.result, row.paper.gflops, row.config_state) == (73.6, 2.5, 'ours')
        assert round(row.complexity.macs / 1e9, 3) == 2.245 and round(row.predicting.macs / 1e9, 3) == 2.140
        assert row.measured.value == pytest.approx(71.2) and row.measured.file == log

    def test_rows_without_config(self, two_configs):
        rows = {row.paper.name: row for row in compare_rows([3, 6], two_configs)}
        assert rows['ResNet-101'].config_state == 'no config' and rows['ResNet-101'].complexity is None
        assert rows['HRNet-W32'].config_state == 'not of this network'
        assert rows['RSN*, 4xRSN-50'].config_state == 'ensemble'
        assert rows['CPN*, ResNet-Inception'].config_state == 'not of this network'

    def test_pck_is_no_ap(self, two_configs, tmp_path):
        log = tmp_path / '4xrsn50_mpii_256x256' / 'metrics.json'
        log.parent.mkdir()
        log.write_text('{"PCK": 91.0, "coco/AP": 0.5}')
        row = next(r for r in compare_rows([8], two_configs, tmp_path) if r.paper.config)
        assert row.measured.value == pytest.approx(91)

    def test_the_wide_form_is_a_row_of_its_own(self, two_configs):
        rows = compare_rows([3], two_configs)
        assert [row.config for row in rows if row.paper.name == 'RSN-50'] == ['rsn50_coco_256x192', 'rsn50_wide_coco_256x192']
        assert len([row for row in rows if row.paper.name == 'ResNet-50']) == 1

    def test_every_other_row_comes_once(self, two_configs):
        expected = [row for row in paper.ROWS if row.table in (6, 8) for _ in range(2 if row.wide else 1)]
        assert [row.paper for row in compare_rows([6, 8], two_configs)] == expected

    def test_fits_where_resnet_of_its_depth_does(self):
        """ResNet-50 is printed at 0.9 of its count: an RSN-50 of 0.855 to 0.945 fits."""
        def row(name, gflops, macs, table=3):
            counted = Complexity(macs=int(macs * 1e9), elementwise=0, parameters=1)
            return ComparedRow(paper.Row(table, name, '256x192', 70., gflops), 'config', 'ours', counted, counted, None)

        rows = [row('ResNet-50', 4.5, 5.), row('4xResNet-50', 8., 10.), row('RSN-50', 9.4, 10.), row('RSN-50', 9.5, 10.),
                row('2xRSN-50', 8.6, 10., table=6), row('4xRSN-50 + PRM', 8.3, 10., table=5), row('RSN-101', 9., 10.)]
        assert [fits(one, rows) for one in rows] == [None, None, True, False, True, True, None]
        assert fits(row('RSN-50', None, 10.), rows) is None

    def test_missing_configs(self, tmp_path):
        with pytest.raises(FileNotFoundError, match='configs=.*nowhere.*rsn18_coco_256x192.py'):
            compare_rows([3], tmp_path / 'nowhere')


class TestReport:

    def test_fields_agree_with_the_paper(self):
        rows = compare_fields([1, 2])
        assert [row.name for row in rows] == ['i = 1', 'i = 2', 'i = 3', 'i = 4', 'ResNet', 'OSNet', 'Res2Net', 'RSN']
        assert all(row.printed == row.built for row in rows)
        assert 'printed' not in render(rows[:4], [], 'text').splitlines()[5]

    def test_fields_that_differ_are_shown(self):
        row = compare_fields([2])[3]._replace(built=[{3}, {5}, {7, 9, 11}, {9, 11, 13, 15}])
        assert 'printed 5, 7, built 5' in render([row], [], 'text')

    @pytest.mark.parametrize('style', ['markdown', 'text'])
    def test_a_line_a_row(self, style, two_configs):
        text = render([], compare_rows([3], two_configs), style)
        line = next(line for line in text.splitlines() if 'RSN-18' in line and 'Res2' not in line)
        cells = line.replace('|', ' ').split()
        assert cells == ['RSN-18', '256x192', '73.6', 'not', 'trained', 'here', '2.5', '2.245', '1.11', '-', '2.280', '2.140',
                         '9.14', 'rsn18_coco_256x192.py']
        assert 'no config (resnet50_coco_256x192.py)' in text
        assert 'The gap' in text

    def test_json(self, two_configs):
        records = json.loads(render(compare_fields([1]), compare_rows([3], two_configs), 'json'))
        assert records[3] == dict(table=1, name='i = 4', printed=[[3, 5, 7, 9], [5, 7, 9, 11], [7, 9, 11, 13], [9, 11, 13, 15]],
                                  built=[[3, 5, 7, 9], [5, 7, 9, 11], [7, 9, 11, 13], [9, 11, 13, 15]])
        row = next(record for record in records if record['name'] == 'RSN-18')
        assert row['training']['macs'] == 2245441536 and row['predicting']['macs'] == 2139899904
        assert row['gflops'] == 2.5 and row['measured'] is None

    def test_unknown_style(self):
        with pytest.raises(ValueError, match="style='html'.*markdown, text, json"):
            render([], [], 'html')


class TestTool:

    def run(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run([warm.python(), '-W', 'ignore', str(ROOT / 'tools' / 'paper_tables.py'), *arguments],
                              capture_output=True, text=True)

    def test_writes_a_file(self, tmp_path):
        out = tmp_path / 'new' / 'tables.md'
        assert self.run('--tables', '1', '2', '--format', 'markdown', '--out', str(out)).returncode == 0
        assert '| RSN     | 3    | 5, 7 | 7, 9, 11 | 9, 11, 13, 15 |' in out.read_text()
        assert f'Made by `python tools/paper_tables.py --tables 1 2 --format markdown --out {out}`' in out.read_text()
        assert [path.name for path in out.parent.iterdir()] == ['tables.md']

    def test_one_clear_error(self, tmp_path):
        out = tmp_path / 'tables.md'
        failed = self.run('--tables', '3', '--logs', str(tmp_path / 'nowhere'), '--out', str(out))
        assert failed.returncode == 1 and not out.exists()
        assert failed.stderr.splitlines()[-1].startswith("paper_tables: logs=") and 'Traceback' not in failed.stderr

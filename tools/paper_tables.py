"""Print the paper's tables next to ours: what it prints, what the built models cost, what logs of runs say.

Example:
    python tools/paper_tables.py --logs work_dirs
"""
import argparse
import shlex
import sys
from pathlib import Path

TABLES = (1, 2, 3, 4, 5, 6, 8)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--tables', type=int, nargs='+', choices=TABLES, default=TABLES, metavar='N',
                        help='numbers of the tables: 1 to 6 and 8 (default: all)')
    parser.add_argument('--logs', type=Path, metavar='FOLDER', help='where work folders of runs lie, for example work_dirs')
    parser.add_argument('--configs', type=Path, metavar='FOLDER', default=Path(__file__).parents[1] / 'configs',
                        help='where the configs lie (default: those beside this tool)')
    parser.add_argument('--format', choices=('markdown', 'text', 'json'), default='text', help='default: %(default)s')
    parser.add_argument('--out', type=Path, metavar='FILE', help='write there instead of printing')
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    # Here, so that --help is immediate.
    import rsn_mm  # noqa: F401  closes the gaps of the stack before MMPose is imported
    from rsn_mm.analysis.report import render
    from rsn_mm.analysis.tables import compare_fields, compare_rows
    from rsn_mm.files import write_whole
    try:
        rows = compare_rows(options.tables, options.configs, options.logs)
        text = render(compare_fields(options.tables), rows, options.format)
        if options.format == 'markdown':
            command = shlex.join(['python', 'tools/paper_tables.py', *sys.argv[1:]])
            text = f'# The tables of the paper, and ours\n\nMade by `{command}`.\n\n{text}'
        if options.out is None:
            print(text, end='')
            return
        write_whole(options.out, text.encode())
    except (ValueError, OSError) as error:
        raise SystemExit(f'paper_tables: {error}') from None


if __name__ == '__main__':
    main()

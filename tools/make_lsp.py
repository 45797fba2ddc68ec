"""Turn the downloads of Leeds Sports Pose and of its extension into COCO's form, as configs/rsn18_lsp_256x192.py reads them.

Example:
    python tools/make_lsp.py --lsp downloads/lsp_dataset_original --lspet downloads/lspet_dataset --out data
"""
import argparse
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--lsp', type=Path, metavar='FOLDER', help='joints.mat and images/ of Leeds Sports Pose, 2,000 people')
    parser.add_argument('--lspet', type=Path, metavar='FOLDER', help='joints.mat and images/ of its extension, 10,000 people')
    parser.add_argument('--out', type=Path, default=Path('data'), metavar='FOLDER',
                        help='for lsp/ and lspet/ (default: %(default)s)')
    options = parser.parse_args()
    if options.lsp is None and options.lspet is None:
        parser.error('nothing to do: give --lsp FOLDER, --lspet FOLDER or both')
    return options


def main() -> None:
    options = parse_arguments()
    from rsn_mm.datasets.leeds import convert_lsp, convert_lspet
    for name, source, convert in (('lsp', options.lsp, convert_lsp), ('lspet', options.lspet, convert_lspet)):
        if source is None:
            continue
        try:
            counts = convert(source, options.out / name)
        except (ValueError, OSError) as error:
            raise SystemExit(f'make_lsp: {error}') from None
        print(f'{options.out / name}: ' + ', '.join(f'{count} people {name}' for name, count in counts.items()))


if __name__ == '__main__':
    main()

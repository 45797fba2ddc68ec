"""List all faults of a data set before training: of its annotations, its detected boxes and its photos.

Exit status: 0 no errors (warnings do not count), 1 errors, 2 wrong usage.

Examples:
    python tools/check_dataset.py configs/rsn50_coco_256x192.py --split train
    python tools/check_dataset.py --ann person_keypoints_train2017.json --images train2017 --json faults.json
    python tools/check_dataset.py --kinds
"""
import argparse
import os
import sys
from pathlib import Path

from mmengine.config import DictAction

import rsn_mm  # noqa: F401  closes the gaps of the stack
from rsn_mm.datasets.checking import SPLITS, Source, as_text, check, kinds_as_text, sources_of_config, write_report
from rsn_mm.datasets.kinds import KINDS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', type=Path, metavar='CONFIG', help='take the files of this config')
    parser.add_argument('--split', choices=SPLITS, default='train', help='of CONFIG (default: %(default)s)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE', help='what to replace in CONFIG')
    parser.add_argument('--ann', type=Path, metavar='FILE', help='annotation file in COCO format, instead of CONFIG')
    parser.add_argument('--images', type=Path, metavar='FOLDER', help='its photos')
    parser.add_argument('--no-photos', action='store_true', help='leave the photos unread')
    parser.add_argument('--json', type=Path, metavar='OUT', help='write all faults to this file')
    parser.add_argument('--all', action='store_true', help='list all faults (default: the first 10 of each kind)')
    parser.add_argument('--workers', type=int, default=os.cpu_count() or 1, metavar='N', help='threads (default: %(default)s)')
    parser.add_argument('--quiet', action='store_true', help='no progress bar')
    parser.add_argument('--kinds', action='store_true', help='say what can be found and what training does about it, and end')
    args = parser.parse_args()
    if args.kinds:
        print(kinds_as_text())
        return 0
    if (args.config is None) == (args.ann is None):
        parser.error('give either CONFIG or --ann FILE')
    if args.ann is not None and (args.images is None) != args.no_photos:
        parser.error('give --images FOLDER with --ann FILE, or --no-photos')
    if args.workers < 1:
        parser.error(f'--workers {args.workers} must be at least 1')
    try:
        sources = [Source(str(args.ann), args.images and str(args.images))] if args.ann else sources_of_config(
            args.config, args.split, args.cfg_options)
        faults = []
        for source in sources:
            source = source._replace(images=None) if args.no_photos else source
            print(f'{source.annotations}:', flush=True)
            found = list(check(source, args.workers, not args.quiet))
            print(as_text(found, None if args.all else 10) or '    no faults')
            faults += found
        if args.json:
            write_report(args.json, faults)
    except (OSError, ValueError, KeyError) as error:
        parser.error(str(error))
    errors = sum(KINDS[fault.kind].level == 'error' for fault in faults)
    print(f'{errors} errors, {len(faults) - errors} warnings')
    return int(errors > 0)


if __name__ == '__main__':
    sys.exit(main())

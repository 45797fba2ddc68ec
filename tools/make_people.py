"""Make a small COCO-format data set of drawn people, for demonstrations and tests.

Example:
    python tools/make_people.py data/people --train 400 --val 100 --seed 0
"""
import argparse
from pathlib import Path


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Make a small data set of drawn, clothed people in COCO format: OUT/annotations/'
        'person_keypoints_{train,val}.json, OUT/train/*.jpg, OUT/val/*.jpg. The same options give the same bytes; a '
        'data set that is already there is reused.', formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument('out', type=Path, metavar='OUT', help='folder to write to; made if missing')
    parser.add_argument('--train', type=int, default=400, metavar='N', help='number of training pictures')
    parser.add_argument('--val', type=int, default=100, metavar='N', help='number of validation pictures')
    parser.add_argument('--seed', type=int, default=0, help='seed of everything random')
    parser.add_argument('--max-people', type=int, default=4, metavar='N', help='most persons per picture, 1 to 8')
    parser.add_argument('--size', type=int, nargs=2, default=(320, 256), metavar=('W', 'H'),
                        help='largest picture in pixels; pictures take 80 to 100 %% of the width')
    parser.add_argument('--workers', type=int, default=1, metavar='N', help='processes that draw')
    parser.add_argument('--overwrite', action='store_true', help='write into a folder that holds other files')
    parser.add_argument('--quiet', action='store_true', help='no progress bar and no closing line')
    return parser.parse_args()


def main() -> None:
    options = parse_arguments()
    # Here, so that --help is immediate and that worker processes, which read this file first, start without it.
    from rsn_mm.synthetic import make_people
    try:
        dataset = make_people(options.out, options.train, options.val, options.seed, options.max_people,
                              tuple(options.size), options.workers, not options.quiet, options.overwrite)
    except (ValueError, TypeError, OSError) as error:
        raise SystemExit(f'make_people: {error}') from None
    if not options.quiet:
        print(f'{"found" if dataset.reused else "made"} {options.train} + {options.val} pictures in {dataset.root}')


if __name__ == '__main__':
    main()

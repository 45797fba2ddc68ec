"""Train a small RSN on drawn people and show what it learned: a few minutes on two CPU cores."""
import argparse
from pathlib import Path

from rsn_mm.apis.demo import run_demo

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'), help='folder for everything (default: %(default)s)')
    parser.add_argument('--train', type=int, default=500, metavar='N', help='pictures to train on (default: %(default)s)')
    parser.add_argument('--val', type=int, default=100, metavar='N', help='held-out pictures (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the data set (default: %(default)s)')
    args = parser.parse_args()
    run_demo(args.out, num_train=args.train, num_val=args.val, seed=args.seed)

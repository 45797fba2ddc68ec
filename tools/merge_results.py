"""Merge the COCO result files of several models into one (for the test-dev or test-challenge server).

Example:
    python tools/merge_results.py a.keypoints.json b.keypoints.json --match bbox --out merged.json
"""
import argparse
from pathlib import Path

from rsn_mm.evaluation.apis import merge
from rsn_mm.evaluation.merging import MATCHES
from rsn_mm.evaluation.scoring import NMS_MODES

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('files', type=Path, nargs='+', metavar='FILE', help='result files, two or more')
    parser.add_argument('--out', type=Path, required=True, help='result file to write')
    parser.add_argument('--match', choices=MATCHES, default='oks',
                        help='what makes poses of two files the same person (default: %(default)s)')
    parser.add_argument('--match-threshold', type=float, default=0.5, metavar='OKS', help='for oks (default: %(default)s)')
    parser.add_argument('--images', type=Path, metavar='ANNOTATIONS',
                        help='annotation file that lists the images; then files may lack images without people')
    parser.add_argument('--annotations', type=Path, help='annotation file: print the AP of what was written')
    parser.add_argument('--nms', choices=NMS_MODES, default='none', help='for poses that overlap (default: %(default)s)')
    parser.add_argument('--nms-threshold', type=float, default=0.9, metavar='OKS', help='default: %(default)s')
    parser.add_argument('--data', default='coco', help="name of the data set in MMPose's configs (default: %(default)s)")
    args = parser.parse_args()
    merge(args.files, args.out, match=args.match, match_threshold=args.match_threshold, images=args.images,
          annotations=args.annotations, nms=args.nms, nms_threshold=args.nms_threshold, data=args.data)

"""Predict MPII's test persons with one model or the average of several, and write the .mat file for its server.

Example:
    python tools/mpii_results.py --model configs/4xrsn50_mpii_256x256.py 4xrsn50.pth \
        --annotations mpii_human_pose_v1_u12_1.mat --out pred_keypoints_mpii.mat
"""
import argparse
from pathlib import Path

import torch
from mmengine.config import DictAction

from rsn_mm.evaluation.mpii import mpii_results

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', nargs=2, action='append', required=True, metavar=('CONFIG', 'CHECKPOINT'),
                        help='a model; give it once a model. Images are looked for where its test_dataloader says')
    parser.add_argument('--annotations', type=Path, required=True, help="MPII's own mpii_human_pose_v1_u12_1.mat")
    parser.add_argument('--out', type=Path, default=Path('pred_keypoints_mpii.mat'), help='default: %(default)s')
    parser.add_argument('--batch-size', type=int, help='persons a batch (default: that of the first config)')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu', help='default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='what to replace in all configs')
    args = parser.parse_args()
    mpii_results(args.model, args.annotations, args.out, batch_size=args.batch_size, device=args.device,
                 options=args.cfg_options)

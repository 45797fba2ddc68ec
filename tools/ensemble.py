"""Average the heatmaps of several models and write a COCO result file (for the test-dev or test-challenge server).

Example:
    python tools/ensemble.py --model configs/rsn50_coco_256x192.py rsn50.pth \
        --model configs/4xrsn50_coco_384x288.py 4xrsn50.pth --out results.json
"""
import argparse
from pathlib import Path

import torch
from mmengine.config import DictAction

from rsn_mm.evaluation.apis import ensemble
from rsn_mm.evaluation.scoring import NMS_MODES

if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', nargs=2, action='append', required=True, metavar=('CONFIG', 'CHECKPOINT'),
                        help='a model; give it once a model. Test data is that of its test_dataloader')
    parser.add_argument('--out', type=Path, required=True, help='result file to write')
    parser.add_argument('--annotations', type=Path, help='annotation file: print the AP of what was written')
    parser.add_argument('--nms', choices=NMS_MODES, default='none', help='for poses that overlap (default: %(default)s)')
    parser.add_argument('--nms-threshold', type=float, default=0.9, metavar='OKS', help='default: %(default)s')
    parser.add_argument('--batch-size', type=int, help='persons a batch (default: that of the first config)')
    parser.add_argument('--device', default='cuda:0' if torch.cuda.is_available() else 'cpu', help='default: %(default)s')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, metavar='KEY=VALUE',
                        help='what to replace in all configs')
    args = parser.parse_args()
    ensemble(args.model, args.out, annotations=args.annotations, nms=args.nms, nms_threshold=args.nms_threshold,
             batch_size=args.batch_size, device=args.device, options=args.cfg_options)

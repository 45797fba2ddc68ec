"""Decoders on the same heatmaps: the paper's quarter offset, MMPose's, the highest pixel alone, and DARK.

    python benchmarks/decoders.py --config rsn18_lsp_128x96 --checkpoint WEIGHTS

The network runs once, with flip test, over the config's test data or, for a choice to be made, those of its validation; each
decoder then gets its heatmaps, and the config's own metrics its joints.
"""
from typing import Any, Callable, Dict, List, Optional, Tuple

import numpy as np
import torch
from common import Report, parser
from mmengine.config import DictAction
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmengine.structures import InstanceData
from mmpose.codecs import MegviiHeatmap
from mmpose.codecs.utils import get_heatmap_maximum, refine_keypoints_dark
from torch import nn

from rsn_mm.apis.pose_models import load_estimator
from rsn_mm.codecs.gaussian_targets import PEAK
from rsn_mm.codecs.quarter_offset_heatmap import SCORE_OF_NOTHING
from rsn_mm.deploy import default_device

METRICS = ('/AP', '/AP .75', '/PCK', '/tPCK', '/PCKh')
# One person's heatmaps (K, H, W) to keypoints (1, K, 2) in input px, and scores (1, K).
Decoder = Callable[[np.ndarray], Tuple[np.ndarray, np.ndarray]]


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument('--config', default='rsn18_lsp_128x96', help='name or path')
    arguments.add_argument('--checkpoint', help='its weights, where they are not part of the package')
    arguments.add_argument('--split', choices=('test', 'val'), default='test')
    arguments.add_argument('--persons', type=int, help='so many of these data; AP counts the rest as missed (default: all)')
    arguments.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='as of tools/test.py')
    args = arguments.parse_args()
    model = load_estimator(args.config, args.checkpoint, default_device())
    config = model.cfg
    config.merge_from_dict(args.cfg_options)
    batches = list(predicted(model, config[f'{args.split}_dataloader'], args.persons))
    report = Report('decoders', f'{args.config}, {args.split}: decoders on the same heatmaps, percent')
    for name, decode in decoders(model.head.decoder).items():
        metrics = evaluate(model, config[f'{args.split}_evaluator'], batches, decode)
        report.add_values(name, **{metric: f'{100 * value:.2f}' for metric, value in metrics.items()})
    persons = sum(len(samples) for _, samples in batches)
    report.note(f'{persons} persons, annotated boxes. Argmax, DARK and the quarter offset take a joint of cell n to lie at n * '
                's + s / 2 (s px of the input a cell); MMPose adds s / 2 where it refines.\n')
    report.write(args.out)


def decoders(codec: Any) -> Dict[str, Decoder]:
    """Decoders for the heatmaps of ``codec``, blurred alike where they blur."""
    scale = codec.scale_factor

    def at_cells(cells: np.ndarray, values: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        return cells[None] * scale + scale / 2, values[None] / PEAK + SCORE_OF_NOTHING

    def highest(heatmaps: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        return at_cells(*get_heatmap_maximum(heatmaps))

    def dark(heatmaps: np.ndarray) -> Tuple[np.ndarray, np.ndarray]:
        cells, values = get_heatmap_maximum(heatmaps)
        # It blurs and takes logarithms in place. Sizes as of MMPose's configs: 11 at 256x192.
        refined = refine_keypoints_dark(cells[None].copy(), heatmaps.copy(), 2 * codec.blur_kernel_size + 1)
        return at_cells(refined[0], values)

    megvii = MegviiHeatmap(codec.input_size, codec.heatmap_size, codec.blur_kernel_size)
    return {
        'quarter offset towards the second peak (ours)': codec.decode,
        "quarter offset by the gradient's sign (mmpose.MegviiHeatmap)": lambda heatmaps: megvii.decode(heatmaps.copy()),
        'highest pixel (argmax)': highest,
        'DARK': dark,
    }


@torch.no_grad()
def predicted(model: nn.Module, loader: Any, persons: Optional[int]) -> Any:
    """Batches of (heatmaps (B, K, H, W), data samples)."""
    if persons is not None:
        loader.dataset.indices = persons
    test_cfg = dict(model.test_cfg, output_heatmaps=True)
    for batch in Runner.build_dataloader(loader):
        data = model.data_preprocessor(batch, False)
        feats = model.extract_feat(data['inputs'])
        if test_cfg['flip_test']:
            feats = [feats, model.extract_feat(data['inputs'].flip(-1))]
        _, fields = model.head.predict(feats, data['data_samples'], test_cfg)
        yield np.stack([field.heatmaps.float().cpu().numpy() for field in fields]), data['data_samples']


def evaluate(model: nn.Module, metrics: Any, batches: List[Any], decode: Decoder) -> Dict[str, float]:
    """The metrics of what ``decode`` makes of the heatmaps."""
    evaluator = Evaluator(metrics if isinstance(metrics, list) else [metrics])
    evaluator.dataset_meta = model.dataset_meta
    count = 0
    for heatmaps, samples in batches:
        found = []
        for maps in heatmaps:
            keypoints, scores = decode(maps)
            found.append(InstanceData(keypoints=keypoints, keypoint_scores=scores))
        evaluator.process(model.add_pred_to_datasample(found, None, samples))
        count += len(samples)
    return {name: value for name, value in evaluator.evaluate(count).items() if name.endswith(METRICS)}


if __name__ == '__main__':
    main()

"""Pictures after Figures 5, 6 and 7 of the paper, as PNG files."""
import io
import math
from pathlib import Path
from typing import Any, Dict, List, Sequence, Tuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from mmpose.models import TopdownPoseEstimator

from ..files import given_path, whole_or_not
from .inspection import Inspection
from .weights import LevelWeights, level_weights, utilisation

DPI = 120
MAX_PEOPLE = 8  # rows of a sheet of features
MAX_COLUMNS = 4  # of a sheet of poses


def analyze(model: TopdownPoseEstimator, inspections: Dict[str, Inspection], out: Path,
            score_threshold: float = 0.55) -> List[Path]:
    """Make all pictures of a model and write them, none of them unless all can be made.

    Args:
        model (TopdownPoseEstimator): Of :func:`~rsn_mm.analysis.inspection.load_model`.
        inspections (dict[str, Inspection]): What the model makes of each image, by a name for the file.
        out (Path): Folder for ``weights.png``, ``poses.png`` and ``features_<name>.png``; made if missing.
        score_threshold (float): Joints with a lower score are not drawn. Defaults to 0.55 (an empty heatmap has 0.5).

    Returns:
        list[Path]: The files written.
    """
    meta = model.dataset_meta
    figures = {
        'weights': draw_weights(level_weights(model.backbone)),
        'poses': draw_poses(list(inspections.values()), meta, score_threshold),
    }
    for name, inspection in inspections.items():
        figures[f'features_{name}'] = draw_features(inspection, meta, score_threshold)
    out = given_path('out', out)
    pictures = {out / f'{name}.png': _png(figure) for name, figure in figures.items()}
    out.mkdir(parents=True, exist_ok=True)
    for path, content in pictures.items():
        with whole_or_not(path) as unfinished:
            unfinished.write_bytes(content)
    return list(pictures)


def draw_weights(rows: Sequence[LevelWeights]) -> Figure:
    """Figure 5: a panel for each level of each stage, a line of it for each branch, a column for each of its channels.

    Colours go from 0 to the largest weight of the panel, so that red means well used, whatever the size of a level's weights.
    """
    num_stages, num_levels = (max(numbers) for numbers in zip(*((row.stage, row.level) for row in rows)))
    figure = Figure(figsize=(3.6 * num_levels, 1.0 + 1.9 * num_stages), layout='constrained')
    axes = figure.subplots(num_stages, num_levels, squeeze=False)
    for row in rows:
        axis = axes[row.stage - 1][row.level - 1]
        weights = row.weights.numpy()
        picture = axis.imshow(weights, aspect='auto', cmap='jet', vmin=0, vmax=max(weights.max(), 1e-12),
                              interpolation='nearest')
        axis.set_yticks(range(len(weights)), [str(i + 1) for i in range(len(weights))])
        axis.set_title(f'{f"stage {row.stage}, " if num_stages > 1 else ""}level {row.level}: mean {weights.mean():.3g},\n'
                       f'{utilisation(row.weights):.0%} of channels above half of the largest', fontsize=8)
        axis.tick_params(labelsize=7)
        axis.set_xlabel('channel of the branch', fontsize=7)
        figure.colorbar(picture, ax=axis).ax.tick_params(labelsize=7)
    for line in axes:
        line[0].set_ylabel('branch', fontsize=7)
    figure.suptitle('Mean absolute filter weight of the last conv1x1 of each level', fontsize=10)
    return figure


def draw_features(inspection: Inspection, dataset_meta: dict, score_threshold: float) -> Figure:
    """Figure 6: for each person the crop, the deepest features and the last heatmaps on it, and the pose."""
    people = range(min(len(inspection.crops), MAX_PEOPLE))
    heatmaps = 'level 1: highest heatmap' if inspection.heatmaps is not None else 'no heatmaps'
    titles = ['input', f'level {inspection.level}: mean feature', heatmaps, 'prediction']
    height, width = inspection.crops.shape[1:3]
    figure = Figure(figsize=(2.2 * 4, 2.2 * height / width * len(people) + 0.4), layout='constrained')
    axes = figure.subplots(len(people), 4, squeeze=False)
    for person in people:
        crop = inspection.crops[person]
        maps = [None, inspection.features[person], _highest(inspection, person), None]
        for axis, title, values in zip(axes[person], titles, maps):
            axis.imshow(crop, extent=_extent((width, height)))
            axis.set_axis_off()
            if person == 0:
                axis.set_title(title, fontsize=8)
            if values is not None:
                axis.imshow(values, extent=_extent((width, height)), cmap='jet', alpha=0.55, vmin=0, vmax=1,
                            interpolation='bilinear')
        sample = inspection.samples[person]
        _draw_skeleton(axes[person][3], sample, _in_crop(sample, (width, height)), dataset_meta, score_threshold)
        _show_all(axes[person][3], (width, height))
    if len(inspection.crops) > MAX_PEOPLE:
        figure.supxlabel(f'the first {MAX_PEOPLE} of {len(inspection.crops)} people', fontsize=8)
    return figure


def draw_poses(inspections: Sequence[Inspection], dataset_meta: dict, score_threshold: float) -> Figure:
    """Figure 7: a sheet of images with the boxes and poses of their people."""
    columns = min(math.ceil(math.sqrt(len(inspections))), MAX_COLUMNS)
    rows = math.ceil(len(inspections) / columns)
    side = 8 / math.sqrt(columns)  # inches
    tallest = max(one.image.shape[0] / one.image.shape[1] for one in inspections)
    figure = Figure(figsize=(side * columns, side * tallest * rows), layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    for axis, inspection in zip(axes, inspections):
        height, width = inspection.image.shape[:2]
        axis.imshow(inspection.image, extent=_extent((width, height)), interpolation='bilinear')
        for (x1, y1, x2, y2), sample in zip(inspection.boxes, inspection.samples):
            axis.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor='white', linewidth=0.8, alpha=0.7))
            # Small people get thin limbs: 1.5 % of the box, in points.
            line_width = float(np.clip(0.015 * max(x2 - x1, y2 - y1) / width * side * 72, 0.5, 2))
            _draw_skeleton(axis, sample, sample.pred_instances.keypoints[0], dataset_meta, score_threshold, line_width)
        _show_all(axis, (width, height))
    return figure


def _extent(size_wh: Tuple[int, int]) -> Tuple[float, ...]:
    """Where matplotlib puts a picture of (width, height) pixels, centres of pixels at whole numbers."""
    width, height = size_wh
    return (-0.5, width - 0.5, height - 0.5, -0.5)


def _show_all(axis: Any, size_wh: Tuple[int, int]) -> None:
    """Show the picture, however far joints and boxes reach out of it."""
    left, right, bottom, top = _extent(size_wh)
    axis.set_xlim(left, right)
    axis.set_ylim(bottom, top)


def _highest(inspection: Inspection, person: int) -> Any:
    """The highest of the joints' heatmaps at every pixel, scaled to 0..1; None if the model makes no heatmaps."""
    if inspection.heatmaps is None:
        return None
    highest = inspection.heatmaps[person].max(axis=0).clip(min=0)
    return highest / max(highest.max(), np.finfo(np.float32).tiny)


def _draw_skeleton(axis: Any, sample: Any, joints: np.ndarray, dataset_meta: dict, score_threshold: float,
                   line_width: float = 1.5) -> None:
    """Joints (K, 2), in the axis' coordinates, and limbs, in points."""
    shown = sample.pred_instances.keypoint_scores[0] >= score_threshold
    links, colors = dataset_meta['skeleton_links'], np.asarray(dataset_meta['skeleton_link_colors']) / 255
    for (start, end), color in zip(links, colors):
        if shown[start] and shown[end]:
            axis.plot(*joints[[start, end]].T, color=color, linewidth=line_width)
    colors = np.asarray(dataset_meta['keypoint_colors'])[shown] / 255
    axis.scatter(*joints[shown].T, s=4 * line_width**2, c=colors, edgecolors='white', linewidths=0.2 * line_width, zorder=3)


def _in_crop(sample: Any, size_wh: Tuple[int, int]) -> np.ndarray:
    """Joints (K, 2) of a sample from image px to crop px: the inverse of what MMPose's estimator does to them."""
    joints = sample.pred_instances.keypoints[0]
    scale, center = np.asarray(sample.metainfo['input_scale']), np.asarray(sample.metainfo['input_center'])
    return (joints - center + 0.5 * scale) / scale * np.asarray(size_wh)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format='png', dpi=DPI)
    return buffer.getvalue()

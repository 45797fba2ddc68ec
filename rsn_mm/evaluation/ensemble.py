"""Average the heatmaps of several models (the starred rows of the paper's Tables 6 and 7)."""
from pathlib import Path
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.utils import ProgressBar
from mmpose.apis import init_model
from mmpose.structures import PoseDataSample
from torch import Tensor

from .frames import Crops, HeatmapFrame, resample
from .results import Pose
from .scoring import pose_score


class Member(NamedTuple):
    """One model of an ensemble.

    name: The config that it was made from.
    model (TopdownPoseEstimator): In eval mode; its test settings (flip test) are its config's.
    loader (DataLoader): Its own test data: its crops of the persons, in the order of the data set.
    frame: Where its heatmaps lie.
    """
    name: str
    model: Any
    loader: Any
    frame: HeatmapFrame


def load_member(config: Union[str, Path, Config],
                checkpoint: Optional[str],
                device: str = 'cpu',
                options: Optional[dict] = None,
                batch_size: Optional[int] = None) -> Member:
    """Build a model and its test data from a config.

    Args:
        config (str | Path | Config): Config of ours or of MMPose, of a top-down heatmap model.
        checkpoint (str, optional): Its weights.
        device (str): Where it computes. Defaults to ``'cpu'``.
        options (dict, optional): What to replace in the config, as ``--cfg-options`` does.
        batch_size (int, optional): Persons a batch; all members need the same. Defaults to the config's.

    Returns:
        Member: Ready to predict.

    Raises:
        ValueError: if its heatmaps cannot be averaged with those of others.
    """
    name = str(config.filename if isinstance(config, Config) else config)
    config = config.copy() if isinstance(config, Config) else Config.fromfile(config)
    config.merge_from_dict(options or {})
    model = init_model(config, checkpoint, device=device)
    if model.test_cfg.get('output_keypoint_indices') is not None:
        raise ValueError(f'{name} selects joints by model.test_cfg.output_keypoint_indices, which an ensemble does not '
                         'do. Remove it.')
    frame = HeatmapFrame.of_codec(getattr(model.head, 'decoder', None))
    model.test_cfg = dict(model.test_cfg, output_heatmaps=True)

    loader = config.test_dataloader
    loader.update(sampler=dict(type='DefaultSampler', shuffle=False, round_up=False), drop_last=False)
    if batch_size is not None:
        loader.batch_size = batch_size
    init_default_scope(config.get('default_scope', 'mmpose'))
    return Member(name, model, Runner.build_dataloader(loader), frame)


@torch.no_grad()
def predict_together(members: Sequence[Member], progress: bool = False) -> Iterator[PoseDataSample]:
    """Predict with all models at once.

    Every model gets its own crop of the same person, cut by its own pipeline, and makes its heatmaps as its config says (flip
    test included). The heatmaps are brought into the frame of the model with the most heatmap pixels (the first of equals)
    and averaged there; that model's codec decodes the average. The largest, because going up to its grid loses nothing of
    the finer maps, and because offset and blur of a decoder are measured in pixels of its own heatmaps.

    Args:
        members (Sequence[Member]): One or more models.
        progress (bool): Show a progress bar. Defaults to False.

    Yields:
        PoseDataSample: A sample per person, of the model with the largest heatmaps, with ``pred_instances`` in image px.

    Raises:
        ValueError: before anything is computed if the models have other joints or numbers of persons than the first; on
            the way if they do not get the same persons and boxes.
    """
    _check_members(members)
    leading = max(range(len(members)), key=lambda i: members[i].frame.size[0] * members[i].frame.size[1])
    leader = members[leading]
    bar = ProgressBar(len(leader.loader)) if progress else None
    for batches in zip(*(member.loader for member in members)):
        predictions = [_predict(member, batch) for member, batch in zip(members, batches)]
        _check_persons(members, [samples for samples, _ in predictions])
        samples, heatmaps = predictions[leading]
        crops = _crops(samples)
        maps = [resample(own_heatmaps.to(heatmaps.device), member.frame, _crops(own_samples), leader.frame, crops)
                for member, (own_samples, own_heatmaps) in zip(members, predictions)]
        instances = leader.model.head.decode(sum(maps) / len(maps))
        yield from leader.model.add_pred_to_datasample(instances, None, samples)
        if bar is not None:
            bar.update()


def poses_of(samples: Iterable[PoseDataSample]) -> Iterator[Pose]:
    """Predicted persons with the paper's pose score.

    Args:
        samples (Iterable[PoseDataSample]): Samples of one person each.

    Yields:
        Pose: Its area is that of the crop, as ``CocoMetric`` has it.
    """
    for sample in samples:
        predicted = sample.pred_instances
        joints = np.concatenate([predicted.keypoints[0, :, :2], predicted.keypoint_scores[0][:, None]], axis=-1)
        score = pose_score(predicted.keypoint_scores[0], float(sample.gt_instances.bbox_scores[0]))
        area = float(np.prod(sample.gt_instances.bbox_scales[0]))
        yield Pose(int(sample.img_id), int(sample.get('category_id', 1)), joints, score, area, id=int(sample.id))


def _predict(member: Member, batch: dict) -> Tuple[List[PoseDataSample], Tensor]:
    """Samples of a batch and the model's heatmaps (B, K, H, W)."""
    samples = member.model.test_step(batch)
    heatmaps = torch.stack([sample.pred_fields.heatmaps for sample in samples])
    for sample in samples:
        del sample.pred_fields  # who collects samples must not collect heatmaps
    return samples, heatmaps


def _crops(samples: Sequence[PoseDataSample]) -> Crops:
    return Crops(np.array([sample.input_center for sample in samples], dtype=float),
                 np.array([sample.input_scale for sample in samples], dtype=float))


def _joint_names(member: Member) -> List[str]:
    names = member.loader.dataset.metainfo['keypoint_id2name']
    return [names[i] for i in sorted(names)]


def _check_members(members: Sequence[Member]) -> None:
    if not members:
        raise ValueError('members is empty: an ensemble takes at least one model.')
    first = members[0]
    for member in members:
        if member.model.head.out_channels != first.model.head.out_channels or _joint_names(member) != _joint_names(first):
            raise ValueError(f'{member.name} predicts other joints than {first.name}: {_joint_list(member)}, not '
                             f'{_joint_list(first)}. Ensemble models of one data set.')
        if len(member.loader.dataset) != len(first.loader.dataset) or member.loader.batch_size != first.loader.batch_size:
            raise ValueError(f'{member.name} gets {len(member.loader.dataset)} persons in batches of '
                             f'{member.loader.batch_size}, {first.name} gets {len(first.loader.dataset)} in batches of '
                             f'{first.loader.batch_size}. Give all models the same annotations, boxes (bbox_file) and '
                             'batch size, for example by --cfg-options test_dataloader.dataset.bbox_file=... .')


def _joint_list(member: Member) -> str:
    names = _joint_names(member)
    return f'{member.model.head.out_channels} ({", ".join(names[:3])}, ...)'


def _check_persons(members: Sequence[Member], predictions: Sequence[List[PoseDataSample]]) -> None:
    first = predictions[0]
    for member, samples in zip(members, predictions):
        for sample, other in zip(samples, first):
            boxes = sample.gt_instances.bboxes, other.gt_instances.bboxes
            if (sample.img_id, sample.id) != (other.img_id, other.id) or not np.array_equal(*boxes):
                raise ValueError(f'{member.name} gets other persons than {members[0].name}: box {boxes[0].tolist()} of image '
                                 f'{sample.img_id}, where that gets {boxes[1].tolist()} of image {other.img_id}. Give all '
                                 'models the same annotations and boxes (bbox_file).')

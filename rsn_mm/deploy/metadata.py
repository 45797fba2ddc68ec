"""What an exported file says about itself, so that a runtime needs no config."""
import json
from dataclasses import asdict, dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from ..version import __version__

if TYPE_CHECKING:
    from mmpose.models import TopdownPoseEstimator

METADATA_KEY = 'rsn_mm'
OUTPUTS = {'joints': ('keypoints', 'scores'), 'heatmaps': ('heatmaps', ), 'both': ('keypoints', 'scores', 'heatmaps')}


@dataclass(frozen=True)
class PoseMetadata:
    """What a runtime and whoever draws its joints need to know of a pose model.

    input_size: size (w, h) in px of the crops it takes.
    heatmap_size: size (W, H) in px of its heatmaps.
    num_keypoints: number of joints K.
    outputs: what the graph gives, in order: of 'keypoints', 'scores', 'heatmaps'.
    keypoint_names: K names; empty if the model does not know its data set.
    skeleton: pairs of joint indices that are drawn connected; may be empty.
    flip_indices: for every joint its counterpart in the mirrored image; empty if the data set is not known.
    dataset_name: name of the data set, '' if not known.
    codec: name of the codec class whose joints these are.
    padding: factors by which a box's width and height grow before it is cropped; empty if the model has no config.
    flip_test: whether heatmaps of the mirrored crop are averaged in.
    precision: 'float32', 'float16' or 'int8' of a file; of a model in PyTorch what it computes in.
    version: version of rsn_mm that wrote it.
    """
    input_size: Tuple[int, int]
    heatmap_size: Tuple[int, int]
    num_keypoints: int
    outputs: Tuple[str, ...]
    keypoint_names: Tuple[str, ...] = ()
    skeleton: Tuple[Tuple[int, int], ...] = ()
    flip_indices: Tuple[int, ...] = ()
    dataset_name: str = ''
    codec: str = ''
    padding: Tuple[float, ...] = ()
    flip_test: bool = False
    precision: str = 'float32'
    version: str = __version__

    @classmethod
    def from_model(cls, model: 'TopdownPoseEstimator', outputs: Sequence[str], flip_test: bool,
                   precision: str = 'float32') -> 'PoseMetadata':
        """Of a pose estimator with a decoder; names come from ``model.dataset_meta`` where ``init_model`` has put one."""
        dataset = getattr(model, 'dataset_meta', None) or {}
        names = [name for _, name in sorted(dataset.get('keypoint_id2name', {}).items())]
        return cls(
            input_size=_pair(model.head.decoder.input_size),
            heatmap_size=_pair(model.head.decoder.heatmap_size),
            num_keypoints=int(model.head.out_channels),
            outputs=tuple(outputs),
            keypoint_names=tuple(names),
            skeleton=tuple(_pair(link) for link in dataset.get('skeleton_links', [])),
            flip_indices=tuple(int(i) for i in dataset.get('flip_indices', [])),
            dataset_name=dataset.get('dataset_name', ''),
            codec=type(model.head.decoder).__name__,
            padding=_padding(getattr(model, 'cfg', None)),
            flip_test=flip_test,
            precision=precision)

    @classmethod
    def from_properties(cls, properties: Mapping[str, str], source: str) -> 'PoseMetadata':
        """Of the metadata of an exported file.

        Raises:
            ValueError: if rsn_mm did not write the file, or a later rsn_mm did.
        """
        if METADATA_KEY not in properties:
            raise ValueError(f'{source} carries no metadata of rsn_mm, so its input size and joints are not known. Export the '
                             'model with rsn_mm.deploy.export_onnx.')
        values = json.loads(properties[METADATA_KEY])
        unknown = sorted(set(values) - set(cls.__dataclass_fields__))
        if unknown:
            raise ValueError(f'{source} was written by rsn_mm {values.get("version")} and says {unknown}, which rsn_mm '
                             f'{__version__} does not know. Update rsn_mm or export the model again.')
        values['skeleton'] = tuple(_pair(link) for link in values['skeleton'])
        fields: Dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
        return cls(**fields)

    def to_properties(self) -> Mapping[str, str]:
        """As an exported file carries it: strings."""
        return {METADATA_KEY: json.dumps(asdict(self))}


def require(package: str, what: str, extra: str = 'deploy') -> ModuleType:
    """Import an optional package.

    Raises:
        ImportError: if it is missing; the message names what needs it and how to get it.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"{what} needs {package.split('.')[0]}, which does not import here ({error}). Install it with "
                          f"pip install 'rsn_mm[{extra}]'.") from error


def check_choice(name: str, value: Optional[str], allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise ValueError(f'{name}={value!r} is not known: give one of {", ".join(repr(choice) for choice in allowed)}.')


def _padding(config: Optional[Mapping]) -> Tuple[float, ...]:
    """What the test pipeline of a config says; 1.25 is MMPose's own default."""
    if config is None or 'test_dataloader' not in config:
        return ()
    for step in config['test_dataloader']['dataset']['pipeline']:
        if step['type'] == 'GetBBoxCenterScale':
            return tuple(float(factor) for factor in np.broadcast_to(step.get('padding', 1.25), 2))
    return ()


def _pair(values: Sequence[int]) -> Tuple[int, int]:
    first, second = values
    return int(first), int(second)

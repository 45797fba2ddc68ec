"""From predictions to result files: pose scores, OKS-NMS, ensembles, files for the COCO and MPII servers, and metrics."""
from .ensemble import Member, load_member, predict_together
from .merging import merge_results
from .metrics import CocoMetric, CocoWholeBodyMetric
from .results import Pose, coco_metrics, read_results, write_results
from .scoring import pose_score, suppress
from .torso_pck import TorsoPCKAccuracy

__all__ = [
    'CocoMetric', 'CocoWholeBodyMetric', 'Member', 'load_member', 'predict_together', 'merge_results', 'Pose', 'coco_metrics',
    'read_results', 'write_results', 'pose_score', 'suppress', 'TorsoPCKAccuracy'
]

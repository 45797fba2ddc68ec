"""``--badcase`` of MMPose's test script: pictures of the predictions that are far off."""
import logging
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from mmengine.dist import all_gather_object, is_main_process
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmpose.engine.hooks import BadCaseAnalysisHook as MMPoseBadCaseAnalysisHook
from mmpose.structures import PoseDataSample

from ..registry import HOOKS


@HOOKS.register_module()
class BadCaseAnalysisHook(MMPoseBadCaseAnalysisHook):
    """MMPose's hook, that decides by a metric, as our heads' losses are of heatmaps, not of joints.

    Pictures and ``results.json`` go to ``<work_dir>/<time>/<out_dir>``. Each process of a distributed test judges its own
    people. Where a test reads detected boxes, there is no truth to compare with: such people are left out, and counted in the
    log.

    Args:
        out_dir (str): Folder below that of the run. Defaults to 'badcase'.
        metric_type (str): 'accuracy' or, for heads whose loss compares joints, 'loss'. Defaults to 'accuracy'.
        metric (dict): A metric of one person. Defaults to ``PCKAccuracy`` of a fifth of the box.
        metric_key (str): Which of its numbers. Defaults to 'PCK'.
        badcase_thr (float): A person is a bad case up to this accuracy, or from this loss. Defaults to 0.5.
        **kwargs: As MMPose has them: ``enable``, ``show``, ``wait_time``, ``kpt_thr``, ``interval``, ``backend_args``.
    """
    out_dir: str
    results: List[Any]

    def __init__(self,
                 out_dir: str = 'badcase',
                 metric_type: str = 'accuracy',
                 metric: dict = dict(type='PCKAccuracy', thr=0.2),
                 metric_key: str = 'PCK',
                 badcase_thr: float = 0.5,
                 **kwargs: Any) -> None:
        super().__init__(out_dir=out_dir, metric_type=metric_type, metric=metric, metric_key=metric_key,
                         badcase_thr=badcase_thr, **kwargs)
        self._without_truth = 0

    def before_test_epoch(self, runner: Runner) -> None:
        # MMPose joins these at every iteration, which leaves an absolute path as it is.
        self.out_dir = os.path.abspath(os.path.join(runner.work_dir, runner.timestamp, self.out_dir))
        self.results, self._without_truth = [], 0

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict, outputs: Sequence[PoseDataSample]) -> None:
        # MMPose puts all joints of a detected box at (0, 0).
        known = [sample for sample in outputs if sample.gt_instances.keypoints.any()]
        self._without_truth += len(outputs) - len(known)
        super().after_test_iter(runner, batch_idx, data_batch, known)

    def check_badcase(self, data_batch: dict, data_sample: PoseDataSample) -> Tuple[bool, float]:
        if self.metric_type == 'loss':
            return super().check_badcase(data_batch, data_sample)
        # ``evaluate`` would wait for the other processes, and write a line to the log.
        self.metric.process([data_batch], [data_sample.to_dict()])
        logger = MMLogger.get_current_instance()
        level = logger.level
        logger.setLevel(logging.WARNING)
        try:
            value = float(self.metric.compute_metrics(self.metric.results)[self.metric_key])
        finally:
            logger.setLevel(level)
            self.metric.results.clear()
        return value <= self.badcase_thr, value

    def after_test_epoch(self, runner: Runner, metrics: Optional[Dict[str, float]] = None) -> None:
        if not self.enable:
            return
        parts = all_gather_object((self.results, self._without_truth))
        self.results = [entry for results, _ in parts for entry in results]
        without_truth = sum(count for _, count in parts)
        if without_truth:
            runner.logger.warning(
                f'Bad cases: {without_truth} people have no annotated joints to compare with, as detected boxes have none. '
                'Test on annotated boxes: --cfg-options test_dataloader.dataset.bbox_file=None')
        runner.logger.info(f'Bad cases: {len(self.results)}')
        if is_main_process():
            super().after_test_epoch(runner, metrics)

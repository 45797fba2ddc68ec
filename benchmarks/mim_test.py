"""A whole test as `mim test` runs it: data loading, RSN-18 at 256x192 with flip test, decoder and metric.

    python benchmarks/mim_test.py [--data COCO_ROOT] [--batch-size 32] [--workers 1]

Stock is MMPose's own RSN-18 config with our adapters switched on (without them it does not start); ours is
configs/rsn18_coco_256x192.py. Same annotated boxes, same weights, drawn at random: the time does not depend on them.
Without --data, people are drawn.
"""
import json
import tempfile
import time
from pathlib import Path
from typing import Dict

import torch
from common import Report, Timing, parser, same_network
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import DefaultScope
from mmengine.runner import Runner

from rsn_mm.synthetic import make_people

OURS = Path(__file__).parents[1] / 'configs' / 'rsn18_coco_256x192.py'
STOCK = 'mmpose::body_2d_keypoint/topdown_heatmap/coco/td-hm_rsn18_8xb32-210e_coco-256x192.py'


def main() -> None:
    arguments = parser(__doc__.splitlines()[0])
    arguments.add_argument('--data', type=Path, help='folder in the layout of COCO 2017, in place of drawn people')
    arguments.add_argument('--pictures', type=int, default=60, help='how many are drawn without --data')
    arguments.add_argument('--batch-size', type=int, default=32)
    arguments.add_argument('--workers', type=int, default=1, help='processes that load data')
    options = arguments.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        if options.data is None:
            people = make_people(work / 'people', num_train=1, num_val=options.pictures, size_wh=(640, 512), progress=False)
            annotations, images = people.val_annotations, people.val_images
        else:
            annotations = options.data / 'annotations' / 'person_keypoints_val2017.json'
            images = options.data / 'val2017'
        checkpoint = work / 'weights.pth'
        torch.save(dict(state_dict=same_network(18)[0].state_dict()), checkpoint)
        unfused = Config.fromfile(OURS)
        unfused.custom_hooks = [hook for hook in unfused.custom_hooks if hook.type != 'rsn_mm.FuseHook']
        configs = {'stock MMPose': get_config(STOCK), 'rsn_mm, not fused': unfused, 'rsn_mm': Config.fromfile(OURS)}
        for config in configs.values():
            take_data(config, annotations, images, options.batch_size, options.workers)
            config.merge_from_dict(dict(work_dir=str(work / 'runs'), load_from=str(checkpoint), log_level='WARNING'))
        timings = run_in_turns(configs, options.rounds)
        persons = count_persons(annotations)
    report = Report('mim_test', f'Test of RSN-18 at 256x192 with flip test, {persons} persons, batches of '
                    f'{options.batch_size}: ms a person, data loading and metric included')
    for name, timing in timings.items():
        report.add(name, timing, per=persons, baseline=timings['stock MMPose'], persons_a_second=persons / timing.median)
    report.write(options.out)


def take_data(config: Config, annotations: Path, images: Path, batch_size: int, workers: int) -> None:
    """Test on annotated boxes of ``annotations``; the rest stays as the config has it."""
    loader = config.test_dataloader
    loader.update(batch_size=batch_size, num_workers=workers, persistent_workers=workers > 0)
    loader.dataset.update(data_root='', ann_file=str(annotations), bbox_file=None, data_prefix=dict(img=f'{images}/'))
    config.test_evaluator.ann_file = str(annotations)


def run_in_turns(configs: Dict[str, Config], rounds: int) -> Dict[str, Timing]:
    """Seconds of ``Runner.test()``, which loads the annotations and weights and ends with the metric."""
    seconds = {name: [] for name in configs}
    for number in range(rounds + 1):  # the first is a warm-up
        for name, config in configs.items():
            DefaultScope._instance_dict.clear()
            config.experiment_name = f"{name.replace(' ', '_')}_{number}"
            runner = Runner.from_cfg(config.copy())
            start = time.perf_counter()
            runner.test()
            seconds[name].append(time.perf_counter() - start)
    return {name: Timing(values[1:]) for name, values in seconds.items()}


def count_persons(annotations: Path) -> int:
    """Persons that a test takes: those with joints that are no crowd."""
    people = json.loads(annotations.read_text())['annotations']
    return sum(bool(person['num_keypoints']) and not person['iscrowd'] for person in people)


if __name__ == '__main__':
    main()

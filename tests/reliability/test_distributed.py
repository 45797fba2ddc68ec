"""Two processes train and evaluate as one does: MMPose's scripts over gloo, as torchrun and slurm start them."""
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ..conftest import load_script
from . import two_processes
from .two_processes import BATCH, EPOCHS, HERE, ITERATIONS, PERSONS, TOOLS, TORCHRUN, Place, finish

# Of losses of 2 x batch b and 1 x batch 2b, relative.
TOLERANCE = 1e-4
# Photos that are cut short, and whether the sampler repeats a person so that both processes have equally many.
TESTS = dict(whole=((), False), gaps=((3, 5), True), first_gap=((0, 5), True), even_gap=((3, ), False))


@pytest.fixture(scope='module')
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return two_processes.make_place(tmp_path_factory.mktemp('distributed'))


@pytest.fixture(scope='module')
def two(place: Place) -> str:
    """The log of all runs of two processes that end well."""
    return place.run_in_turn(TORCHRUN, [
        place.train('group_norm_2', 'group_norm', 'pytorch'),
        place.train('frozen_2', 'frozen', 'pytorch', **{'model.backbone.with_cp': True}),
        place.train('resumed', 'group_norm', 'pytorch', **{'train_cfg.max_epochs': 2}),
        place.train('resumed', 'group_norm', 'pytorch', '--resume'),
        place.train('augmented', 'augmented', 'pytorch'),
        *(place.test(f'{name}_2', 'pytorch', *how) for name, how in TESTS.items()),
    ])


@pytest.fixture(scope='module')
def one(place: Place, two: str) -> str:
    """The log of the runs of one process that they are compared with."""
    whole_batch = {'train_dataloader.batch_size': 2 * BATCH}
    return place.run_in_turn([], [
        place.train('group_norm_1', 'group_norm', 'none', **whole_batch),
        place.train('frozen_1', 'frozen', 'none', **whole_batch),
        *(place.test(f'{name}_1', 'none', *how) for name, how in TESTS.items()),
    ])


@pytest.mark.parametrize('norm, epochs', [('group_norm', EPOCHS), ('frozen', 2)])
def test_two_batches_give_the_losses_and_weights_of_one_twice_as_large(place: Place, one: str, norm: str, epochs: int) -> None:
    singles = [parts[0] for parts in place.iterations(f'{norm}_1', 1)]
    pairs = place.iterations(f'{norm}_2', 2)
    assert len(singles) == len(pairs) == ITERATIONS * epochs
    differences = []
    for single, pair in zip(singles, pairs):
        assert sorted(single['persons']) == sorted(person for part in pair for person in part['persons'])
        for name, loss in single['losses'].items():
            parts = [part['losses'][name] for part in pair]
            differences.append(abs(np.mean(parts) - loss) / loss)
            assert abs(parts[0] - loss) / loss > TOLERANCE  # so that the mean is no matter of course
    assert max(differences) < TOLERANCE
    first, last = ([part['losses']['loss'] for part in epoch] for epoch in (singles[:ITERATIONS], singles[-ITERATIONS:]))
    assert np.mean(last) < .99 * np.mean(first)

    weights, expected = (place.checkpoint(f'{norm}_{count}', epochs)['state_dict'] for count in (2, 1))
    distance = max((weights[name] - expected[name]).abs().max().item() for name in expected)
    print(f'{norm}: largest relative difference of a loss {max(differences):.1e}, largest one of a weight {distance:.1e}')
    assert distance < 1e-3


def test_every_parameter_is_used_and_the_same_in_both_processes(place: Place, two: str) -> None:
    for run in ('group_norm_2', 'frozen_2', 'augmented'):
        recorded = place.recorded(run)
        assert {record['finds_unused_parameters'] for record in recorded.values()} == {False}
        for epoch in {epoch for epoch, _ in recorded}:
            assert recorded[epoch, 0]['weights'] == recorded[epoch, 1]['weights']
    optimizer = place.checkpoint('group_norm_2', EPOCHS)['optimizer']
    # A parameter without gradient has no moments.
    assert [len(group['params']) for group in optimizer['param_groups']] == [len(optimizer['state'])]
    assert {float(state['step']) for state in optimizer['state'].values()} == {float(ITERATIONS * EPOCHS)}


def test_resumed_run_goes_on_as_if_nothing_had_happened(place: Place, two: str) -> None:
    assert 'resumed epoch: 2' in two
    assert place.iterations('resumed', 2) == place.iterations('group_norm_2', 2)
    kill_trials = load_script(HERE / 'kill_trials.py')
    ends = [kill_trials.what_counts(place.folder / run / f'epoch_{EPOCHS}.pth') for run in ('group_norm_2', 'resumed')]
    assert list(kill_trials.unequal(*ends)) == []


def test_the_first_process_alone_writes_checkpoints(place: Place, two: str) -> None:
    for run in ('group_norm_2', 'augmented'):
        assert {rank for _, rank in place.recorded(run, 'saved')} == {0}
        assert {rank for _, rank in place.recorded(run, 'train')} == {0, 1}


def test_each_person_comes_once_an_epoch_and_augmentation_differs(place: Place, two: str) -> None:
    iterations = place.iterations('augmented', 2)
    epochs = [[part for parts in iterations[start:start + ITERATIONS] for part in parts] for start in (0, ITERATIONS)]
    for epoch in epochs:
        seen = Counter(person for part in epoch for person in part['persons'])
        # One comes twice, so that both processes have eight.
        assert len(seen) == PERSONS and sorted(seen.values()) == [1] * (PERSONS - 1) + [2]
    assert [part['persons'] for part in epochs[0]] != [part['persons'] for part in epochs[1]]
    draws = [draw for epoch in epochs for part in epoch for draw in part['draws']]
    assert len(draws) == len(set(draws)) == 2 * (PERSONS + 1)


def test_validation_in_training_sees_what_the_checkpoint_holds(place: Place, two: str) -> None:
    """Batch norm has seen other persons in each process, and EMAHook averages what each of them saw."""
    recorded = place.recorded('augmented', 'val')
    assert recorded[2, 0] == recorded[2, 1]
    saved = place.checkpoint('augmented', 2)['state_dict']
    statistics = {name: value for name, value in recorded[2, 0].items() if 'running' in name}
    assert statistics and statistics == {name: saved[name].double().sum().item() for name in statistics}


@pytest.mark.parametrize('name', TESTS)
def test_two_processes_evaluate_as_one(place: Place, one: str, two: str, name: str) -> None:
    metrics = [json.loads((place.folder / f'{name}_{count}.json').read_text()) for count in (1, 2)]
    assert metrics[0] == metrics[1]
    assert 0.05 < metrics[0]['coco/AP'] < 1 and 0.05 < metrics[0]['PCK'] < 1
    files = [(place.folder / f'{name}_{count}.keypoints.json').read_bytes() for count in (1, 2)]
    assert files[0] == files[1]
    broken = TESTS[name][0]
    left_out = sum(photo in broken for photo in place.photo_of_each_person('val').values())
    assert len(json.loads(files[0])) == PERSONS - left_out
    for log, count in ((one, 1), (two, 2)):
        reports = [line for line in log.splitlines()
                   if 'without predictions for' in line and f'/{name}_{count}_photos/' in line]
        assert len(reports) == bool(broken)
        for report in reports:
            assert f'for {left_out} of {PERSONS} persons, as {len(broken)} of their photos cannot be read' in report
            assert report.count('the file is cut short') == 1


def test_an_unreadable_photo_of_one_process_stops_both(place: Place, two: str) -> None:
    photo_of = place.photo_of_each_person('train')
    first, second = ({photo_of[person] for part in place.recorded('group_norm_2')[1, rank]['iterations']
                      for person in part['persons']} for rank in (0, 1))
    photos = place.copy_photos('train', 'broken', [min(second - first)])
    script, *arguments = place.train('stopped', 'group_norm', 'pytorch',
                                     **{'train_dataloader.dataset.data_prefix.img': f'{photos}/'})
    process = place.start([*TORCHRUN, str(TOOLS / script), *arguments])
    log, = finish(process)
    assert process.returncode != 0
    assert '[rank1]: OSError: ' in log and 'than max_unreadable=0.01 allows (0)' in log and '[rank0]: OSError' not in log
    assert list((place.folder / 'stopped').glob('*.pth')) == []


def test_slurm_trains_alike_and_a_loss_that_is_no_number_in_one_process_stops_both(place: Place, two: str) -> None:
    script, *arguments = place.train('slurm', 'group_norm', 'slurm', **{'custom_hooks.2.poisoned': ITERATIONS + 1})
    port = two_processes.free_port()
    processes = [place.start([str(TOOLS / script), *arguments], **two_processes.slurm_variables(rank, port)) for rank in (0, 1)]
    logs = finish(*processes)
    assert all(process.returncode != 0 for process in processes)
    assert f'FloatingPointError: At iteration {ITERATIONS + 2} ' in logs[1] and 'loss_s1u1 = nan' in logs[1]
    whole = place.recorded('group_norm_2')
    assert place.recorded('slurm') == {(1, rank): whole[1, rank] for rank in (0, 1)}
    assert [path.name for path in Path(place.folder / 'slurm').glob('*.pth')] == ['epoch_1.pth']

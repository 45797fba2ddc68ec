"""Checkpoints load anywhere, and are whole or not there."""
import resource
from typing import Callable, Iterator

import numpy as np
import pytest
import torch
from mmengine.dataset import Compose
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import CheckpointLoader
from torch._subclasses import FakeTensorMode

from rsn_mm.engine import CheckpointHook

from .conftest import training

EPOCHS, HUB, SIGMAS, Experiment = training.EPOCHS, training.HUB, training.SIGMAS, training.Experiment
Interrupted, assert_same_end = training.Interrupted, training.assert_same_end


class TestWhatItHolds:

    def test_it_loads_without_any_allow_list(self, make: Callable) -> None:
        experiment = make()
        runner = experiment.run(epochs=1)
        for name in ('epoch_1.pth', 'best_test_score_epoch_1.pth'):
            plain = experiment.saved(name)
            assert plain['meta']['dataset_meta'] == dict(sigmas=SIGMAS.tolist(), flip_pairs=[(0, 1)])
        restored = CheckpointLoader.load_checkpoint(str(experiment.folder / 'epoch_1.pth'), 'cpu')
        np.testing.assert_array_equal(restored['meta']['dataset_meta']['sigmas'], SIGMAS)
        assert restored['meta']['dataset_meta']['sigmas'].dtype == np.float32
        history = restored[HUB]['log_scalars']['train/loss']
        assert history.data[0].tolist() == runner.message_hub.get_scalar('train/loss').data[0].tolist()

    def test_tensors_of_a_device_are_on_the_host(self) -> None:
        """EMAHook puts averaged weights in when MMEngine has taken the others from the device."""
        with FakeTensorMode():
            checkpoint = dict(state_dict=dict(w=torch.empty(2, device='cuda')), ema_state_dict=dict(w=torch.empty(2)),
                              optimizer=dict(state=[dict(step=torch.empty((), device='cuda'))]), meta=dict(epoch=1))
            CheckpointHook().before_save_checkpoint(None, checkpoint)
        tensors = [*checkpoint['state_dict'].values(), *checkpoint['optimizer']['state'][0].values()]
        assert [tensor.device.type for tensor in tensors] == ['cpu', 'cpu'] and checkpoint['meta'] == dict(epoch=1)

    def test_objects_of_other_types_are_named_in_the_log(self, make: Callable) -> None:
        class AddsAnObject(Hook):

            def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
                checkpoint['odd'] = Compose([])

        experiment = make()
        experiment.run(AddsAnObject(), epochs=1, log_level='WARNING')
        log = next(experiment.folder.glob('*/*.log'))
        assert 'epoch_1.pth' in experiment.names
        assert 'no plain types (odd: Compose)' in log.read_text()

    def test_published_ones_are_plain_and_named_by_their_sum(self, make: Callable) -> None:
        experiment = make()
        experiment.run(epochs=1, published_keys=['meta', 'state_dict'])
        published = [name for name in experiment.names if '-' in name]
        assert len(published) == 2
        assert set(experiment.saved(published[0])) == {'meta', 'state_dict', 'plain_types'}

    def test_those_of_mmengine_are_resumed(self, make: Callable) -> None:
        experiment = make()
        experiment.interrupted('before_train_epoch', 2, checkpoint=MMEngineCheckpointHook(
            interval=1, max_keep_ckpts=2, save_best='test/score', rule='greater'))
        runner = experiment.run(resume=True)
        assert len(runner.message_hub.get_scalar('train/loss').data[0]) == 3 * EPOCHS
        assert runner.message_hub.get_info('best_score') == EPOCHS


class TestFiles:

    def test_outdated_ones_go_after_the_new_one_is_there(self, make: Callable) -> None:
        experiment = make()

        class NoRoom(Hook):

            def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
                if checkpoint['meta']['epoch'] == 4:
                    raise Interrupted

        with pytest.raises(Interrupted):
            experiment.run(NoRoom())
        assert experiment.names == ['best_test_score_epoch_3.pth', 'epoch_2.pth', 'epoch_3.pth']
        experiment.run(resume=True)
        assert experiment.names == ['best_test_score_epoch_4.pth', 'epoch_3.pth', 'epoch_4.pth']

    def test_the_former_best_stays_until_the_new_one_is_there(self, make: Callable) -> None:
        experiment = make()

        class NoRoomForTheBest(Hook):

            def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
                if runner.epoch == 2 and 'optimizer' not in checkpoint:
                    raise Interrupted

        with pytest.raises(Interrupted):
            experiment.run(NoRoomForTheBest())
        assert experiment.names == ['best_test_score_epoch_1.pth', 'epoch_1.pth', 'epoch_2.pth']
        experiment.run(resume=True, epochs=2)
        assert experiment.names == ['best_test_score_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth']

    def test_the_best_of_several_metrics(self, make: Callable) -> None:
        experiment = make()
        several = dict(save_best=['test/score', 'test/error'], rule=['greater', 'less'])
        experiment.run(epochs=3, worse=[2], **several)
        best = ['best_test_error_epoch_2.pth', 'best_test_score_epoch_3.pth']
        assert experiment.names == [*best, 'epoch_2.pth', 'epoch_3.pth']
        assert [experiment.saved(name)['meta']['epoch'] for name in best] == [2, 3]
        experiment.run(epochs=4, worse=[4], resume=True, **several)
        assert experiment.names == [*best, 'epoch_3.pth', 'epoch_4.pth']  # worse than 3, and no less than in epoch 2

    def test_a_full_disk_ends_in_a_clear_error_and_loses_nothing(self, make: Callable, small_files: Callable) -> None:
        whole, cut = make('whole'), make('cut')
        whole.run()

        class DiskGetsFull(Hook):

            def before_train_epoch(self, runner: Runner) -> None:
                if runner.epoch == 2:
                    small_files()

        with pytest.raises(OSError, match=r"epoch_3\.pth' cannot be written \(File too large\): it needs 0\.\d MiB, and [\d.]+"
                                          ' MiB are free in'):
            cut.run(DiskGetsFull())
        small_files(False)
        assert cut.names == ['best_test_score_epoch_2.pth', 'epoch_1.pth', 'epoch_2.pth']
        assert not list(cut.folder.glob('.*.part'))
        cut.run(resume=True)
        assert_same_end(whole, cut)

    def test_leftovers_of_killed_runs_go(self, make: Callable) -> None:
        experiment = make()
        leftover = experiment.folder / f'.epoch_1.pth.{2 ** 22 + 1}.part'  # Linux has no process of so high a number
        leftover.write_bytes(b'PK')
        experiment.run(epochs=1)
        assert not leftover.exists()

    def test_other_storages_are_left_to_mmengine(self, make: Callable) -> None:
        experiment = make()
        hook = CheckpointHook(interval=1, backend_args=dict(backend='local'))
        experiment.run(epochs=1, checkpoint=hook)
        assert type(hook.file_backend).__module__.startswith('mmengine.') and hook.backend_args == dict(backend='local')
        assert experiment.saved('epoch_1.pth')


@pytest.fixture
def small_files() -> Iterator[Callable[[bool], None]]:
    """Call it, and no file of this process can grow beyond 100 kB; call it with False, and they can again."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)

    def limit(on: bool = True) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, former[1]) if on else former)

    yield limit
    limit(False)

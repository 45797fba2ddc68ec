"""A resumed run ends as the uninterrupted one would have."""
from typing import Any, Callable, List, Optional

import pytest
from mmengine.hooks import Hook
from mmengine.runner import Runner

from .conftest import training

EPOCHS, Experiment = training.EPOCHS, training.Experiment
Interrupted, assert_same_end = training.Interrupted, training.assert_same_end


class TestResuming:

    @pytest.mark.parametrize('workers', [0, 1])
    def test_it_ends_as_the_uninterrupted_run(self, workers: int, make: Callable) -> None:
        whole, cut = make('whole'), make('cut')
        whole.run(workers=workers)
        cut.interrupted('after_train_iter', 1, workers=workers)
        cut.interrupted('before_train_epoch', 3, workers=workers, resume=True)
        cut.run(workers=workers, resume=True)
        assert_same_end(whole, cut)
        # Means over a window of ten: they need the histories. The cut run logged an iteration of epoch 1 once more.
        assert cut.losses[4:] == whole.losses[3:]
        assert cut.validated == whole.validated

    def test_augmentation_differs_from_epoch_to_epoch(self, make: Callable) -> None:
        experiment = make()
        drawn: List[float] = []

        class Watch(Hook):

            def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
                drawn.extend(float(x[0]) % 1 for x in data_batch['inputs'])

        experiment.run(Watch(), workers=1, epochs=2)
        assert len(drawn) == 12 and len(set(drawn)) == 12

    def test_a_run_without_a_seed_goes_on_in_its_order(self, make: Callable) -> None:
        experiment, orders = make(), []

        class Watch(Hook):

            def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
                orders.append((runner.train_dataloader.sampler.seed, runner.seed))

        experiment.run(Watch(), seed=None, epochs=1)
        experiment.run(Watch(), seed=None, epochs=2, resume=True)
        assert len(orders) == 6 and len(set(orders)) == 1

    def test_a_loop_by_iterations(self, make: Callable) -> None:
        """MMEngine loads again all that it had loaded: the samples are the same, but what layers draw would not be."""
        class StopAtIter(Hook):

            def after_train_iter(self, runner: Runner, *args: Any, **kwargs: Any) -> None:
                if runner.iter == 7:
                    raise Interrupted

        whole, cut = make('whole'), make('cut')
        settings = dict(by_epoch=False, interval=2, workers=1, dropout=0.)
        whole.run(**settings)
        with pytest.raises(Interrupted):
            cut.run(StopAtIter(), **settings)
        assert 'iter_6.pth' in cut.names
        cut.run(resume=True, **settings)
        assert_same_end(whole, cut, 'iter_12.pth')

    def test_a_validation_that_was_cut_off_is_made_up_for(self, make: Callable) -> None:
        whole, cut = make('whole'), make('cut')
        whole.run()
        cut.interrupted('before_val_epoch', 2)
        assert cut.validated == [1] and 'epoch_2.pth' in cut.names
        cut.run(resume=True)
        assert cut.validated == [1, 2, 3, 4]
        assert_same_end(whole, cut)
        assert cut.names == whole.names

    def test_a_finished_validation_is_not_repeated(self, make: Callable) -> None:
        experiment = make()
        experiment.interrupted('before_train_epoch', 2, worse=[2])
        experiment.run(resume=True)
        assert experiment.validated == [1, 2, 3, 4]


class TestAutomaticResuming:

    @pytest.fixture
    def stopped(self, make: Callable) -> Experiment:
        experiment = make()
        experiment.interrupted('before_train_epoch', 3)
        assert (experiment.folder / 'last_checkpoint').read_text() == str(experiment.folder / 'epoch_3.pth')
        return experiment

    def resumed_from(self, experiment: Experiment) -> int:
        epochs = []

        class Watch(Hook):

            def before_train(self, runner: Runner) -> None:
                epochs.append(runner.epoch)

        experiment.run(Watch(), resume=True)
        assert experiment.saved()['meta']['epoch'] == EPOCHS
        return epochs[0]

    def test_the_named_one(self, stopped: Experiment) -> None:
        assert self.resumed_from(stopped) == 3

    def test_a_named_older_one_is_a_wish(self, stopped: Experiment) -> None:
        (stopped.folder / 'last_checkpoint').write_text(f'{stopped.folder}/epoch_2.pth\n')
        assert self.resumed_from(stopped) == 2

    @pytest.mark.parametrize('fault', ['missing', 'cut short', 'damaged', 'empty'])
    def test_a_broken_one_is_passed_over(self, fault: str, stopped: Experiment) -> None:
        path = stopped.folder / 'epoch_3.pth'
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(dict(missing=b'', damaged=content, empty=b'').get(fault, content[:len(content) // 2]))
        if fault == 'missing':
            path.unlink()
        assert self.resumed_from(stopped) == 2

    @pytest.mark.parametrize('content', [None, '', '/nowhere/epoch_1.pth'])
    def test_without_a_name_the_newest(self, content: Optional[str], stopped: Experiment) -> None:
        pointer = stopped.folder / 'last_checkpoint'
        pointer.unlink()
        if content is not None:
            pointer.write_text(content)
        assert self.resumed_from(stopped) == 3

    @pytest.mark.parametrize('content', [None, ''])
    def test_with_nothing_to_resume_it_starts(self, content: Optional[str], make: Callable) -> None:
        experiment = make()
        if content is not None:
            (experiment.folder / 'last_checkpoint').write_text(content)
        assert self.resumed_from(experiment) == 0

    def test_nothing_whole_is_an_error(self, stopped: Experiment) -> None:
        for name in ('epoch_2.pth', 'epoch_3.pth'):
            path = stopped.folder / name
            path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(ValueError, match="epoch_3.pth' is not a whole checkpoint"):
            stopped.run(resume=True)

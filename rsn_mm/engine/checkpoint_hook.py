"""Checkpoints that a killed run or a full disk cannot break."""
import hashlib
import io
import logging
import re
import zipfile
from collections import deque
from pathlib import Path
from typing import Any, Deque, Dict, Optional, Union

import torch
from mmengine.dist import barrier, is_main_process, master_only
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook as MMEngineCheckpointHook
from mmengine.logging import print_log
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from mmengine.runner.checkpoint import _load_checkpoint

from ..checkpoints.plain_types import restore, to_plain
from ..files import remove_unfinished, write_whole
from ..registry import HOOKS

POINTER = 'last_checkpoint'
_BACKEND = 'rsn_mm.whole_files'
_VALIDATED = 'validated_at'
_FORMER_BEST = 'former_best_ckpts'


class WholeFiles(LocalBackend):
    """MMEngine's backend of local files, whose files are there whole or not at all."""

    def put(self, obj: bytes, filepath: Union[str, Path]) -> None:
        write_whole(filepath, obj)

    def put_text(self, obj: str, filepath: Union[str, Path], encoding: str = 'utf-8') -> None:
        write_whole(filepath, obj.encode(encoding))


register_backend(_BACKEND, WholeFiles, force=True)


@HOOKS.register_module()
class CheckpointHook(MMEngineCheckpointHook):
    """MMEngine's ``CheckpointHook``, with its arguments, so that nothing is lost.

    - A checkpoint holds tensors and plain types alone: ``torch.load(weights_only=True)`` reads it.
    - It is written beside its place, put on the disk and renamed. Then ``last_checkpoint`` names it, in the same way, and only
      then the outdated one is removed: the disk holds one checkpoint more than ``max_keep_ckpts`` meanwhile.
    - ``--resume`` takes the newest whole one where ``last_checkpoint`` names none.
    - A validation that a killed run did not finish is made up for when it is resumed.

    The second and third hold for local files. Other storages (Petrel, HTTP) are MMEngine's.

    Raises:
        OSError: if a checkpoint cannot be written, with the path, the size needed and the size free.
    """
    keep_ckpt_ids: Deque[int]

    def before_run(self, runner: Runner) -> None:
        """Before ``--resume`` reads ``last_checkpoint``: let it name a whole checkpoint."""
        if runner._resume and runner._load_from is None:
            if is_main_process() and self._is_local(runner):
                _let_it_name_a_whole_one(Path(runner.work_dir) / POINTER, self._folder(runner), self.filename_tmpl)
            barrier()

    def before_train(self, runner: Runner) -> None:
        is_local, folder = self._is_local(runner), self._folder(runner)
        super().before_train(runner)
        if is_local:
            self.backend_args = dict(backend=_BACKEND)
            self.file_backend = WholeFiles()
            if is_main_process():
                for place in {folder, Path(runner.work_dir)}:
                    remove_unfinished(place)
            for path in runner.message_hub.runtime_info.get(_FORMER_BEST, ()):
                if path not in self._best_paths.values():
                    self._remove(path)
        if self._lacks_validation(runner):
            name = self.filename_tmpl.format(self._step(runner))
            runner.logger.info(f'The run was interrupted before {name} was validated: this is made up for.')
            self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
            runner.val_loop.run()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        # On the host: EMAHook puts the averaged weights in when MMEngine has already taken the others from the device.
        plain, foreign = to_plain(checkpoint)
        if foreign:
            print_log(f'The checkpoint holds objects that are no tensors and no plain types ({"; ".join(foreign)}): to load it '
                      'will need RSN_MM_TRUST_CHECKPOINTS=1. Let the hook that adds them add plain types.', 'current',
                      logging.WARNING)
        checkpoint.clear()
        checkpoint.update(plain)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Where MMEngine's own loader read the file, or a backend's."""
        restore(checkpoint)
        _share_equal_meta(runner, checkpoint)

    def after_val_epoch(self, runner: Runner, metrics: Optional[Dict[str, Any]] = None) -> None:
        step = self._step(runner)
        runner.message_hub.update_info(_VALIDATED, step)
        self._validation_is_saved = False
        super().after_val_epoch(runner, metrics)
        is_saved_without = self.last_ckpt is not None and Path(self.last_ckpt).name == self.filename_tmpl.format(step)
        if is_saved_without and not self._validation_is_saved:
            self._save_checkpoint_with_step(runner, step, meta=dict(epoch=runner.epoch, iter=runner.iter))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self._validation_is_saved = True
        if not isinstance(self.file_backend, WholeFiles):
            super()._save_checkpoint_with_step(runner, step, meta)
            return
        kept = [*self.keep_ckpt_ids] if self.max_keep_ckpts > 0 else []
        if self.max_keep_ckpts > 0 and kept[-1:] != [step]:
            kept.append(step)
        if kept:
            # With the one that is about to go: if this run is killed before it goes, the resumed run removes it.
            runner.message_hub.update_info('keep_ckpt_ids', kept)
        name = self.filename_tmpl.format(step)
        self.last_ckpt = self.file_backend.join_path(self.out_dir, name)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        runner.save_checkpoint(
            self.out_dir, name, save_optimizer=self.save_optimizer, save_param_scheduler=self.save_param_scheduler, meta=meta,
            by_epoch=self.by_epoch, backend_args=self.backend_args, **self.args)
        if is_main_process():
            self.file_backend.put_text(self.last_ckpt, Path(runner.work_dir) / POINTER)
        if self.max_keep_ckpts > 0:
            for outdated in kept[:-self.max_keep_ckpts]:
                self._remove(self.file_backend.join_path(self.out_dir, self.filename_tmpl.format(outdated)))
            self.keep_ckpt_ids = deque(kept[-self.max_keep_ckpts:], self.max_keep_ckpts)

    def _save_best_checkpoint(self, runner: Runner, metrics: Dict[str, Any]) -> None:
        """MMEngine removes the former best before it writes the new one, unless it knows of none."""
        if not self.save_best or not isinstance(self.file_backend, WholeFiles):
            super()._save_best_checkpoint(runner, metrics)
            return
        former = self._best_paths
        self._best_paths = dict.fromkeys(former)
        # If this run is killed before they go, the resumed run removes them.
        runner.message_hub.update_info(_FORMER_BEST, [path for path in former.values() if path])
        super()._save_best_checkpoint(runner, metrics)
        new = self._best_paths
        self._best_paths = {metric: path or former[metric] for metric, path in new.items()}
        for metric, path in new.items():
            if path and former[metric] and path != former[metric]:
                self._remove(former[metric])

    @master_only
    def _publish_model(self, runner: Runner, ckpt_path: str) -> None:
        if not isinstance(self.file_backend, WholeFiles):
            super()._publish_model(runner, ckpt_path)
            return
        published = {key: value for key, value in _load_checkpoint(ckpt_path).items() if key in self.published_keys}
        content = io.BytesIO()
        torch.save(to_plain(published)[0], content)
        sha = hashlib.sha256(content.getvalue()).hexdigest()
        path = Path(ckpt_path).with_suffix('')
        self.file_backend.put(content.getvalue(), f'{path}-{sha[:8]}.pth')
        runner.logger.info(f'{", ".join(published)} of {ckpt_path} are published as {path}-{sha[:8]}.pth.')

    @property
    def _best_paths(self) -> Dict[str, Optional[str]]:
        if not self.save_best:
            return {}
        if len(self.key_indicators) == 1:
            return {'': self.best_ckpt_path}
        return {metric: self.best_ckpt_path_dict.get(metric) for metric in self.key_indicators}

    @_best_paths.setter
    def _best_paths(self, paths: Dict[str, Optional[str]]) -> None:
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = paths['']
        else:
            self.best_ckpt_path_dict = paths

    @master_only
    def _remove(self, path: str) -> None:
        Path(path).unlink(missing_ok=True)

    def _folder(self, runner: Runner) -> Path:
        """Where checkpoints go; before_train makes it the same of ``out_dir``."""
        if self.out_dir is None or self.out_dir == runner.work_dir:
            return Path(runner.work_dir)
        return Path(self.out_dir) / Path(runner.work_dir).name

    def _is_local(self, runner: Runner) -> bool:
        own_backend = self.file_client_args is None and not self.backend_args
        return own_backend and '://' not in str(self.out_dir or runner.work_dir)

    def _step(self, runner: Runner) -> int:
        """Epochs or iterations done, as validation counts them (a training epoch still counts without itself at its end)."""
        return runner.epoch if self.by_epoch else runner.iter

    def _lacks_validation(self, runner: Runner) -> bool:
        loop = runner.train_loop
        done, last = self._step(runner), runner.max_epochs if self.by_epoch else runner.max_iters
        counts_alike = isinstance(loop, EpochBasedTrainLoop if self.by_epoch else IterBasedTrainLoop)
        if runner.val_loop is None or done == 0 or not counts_alike:
            return False
        loop._decide_current_val_interval()
        is_due = done >= loop.val_begin and (done % loop.val_interval == 0 or done == last)
        return is_due and runner.message_hub.runtime_info.get(_VALIDATED) != done


def is_whole(path: Union[str, Path]) -> bool:
    """Whether a file is a checkpoint of which nothing is missing or changed: the sums of all its parts are right."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def _let_it_name_a_whole_one(pointer: Path, folder: Path, filename_tmpl: str) -> None:
    """Write into ``last_checkpoint`` the newest whole checkpoint, if what it names is none."""
    named = pointer.read_text().strip() if pointer.is_file() else ''
    if named and ('://' in named or Path(named).is_dir() or is_whole(named)):
        return
    name = re.compile(re.escape(filename_tmpl).replace(re.escape('{}'), r'\d+'))
    candidates = [path for path in folder.glob('*') if name.fullmatch(path.name)]
    newest_first = sorted(candidates, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    found = next(filter(is_whole, newest_first), None)
    if found is not None:
        print_log(f'{str(pointer)!r} names {named!r}, which is no whole checkpoint. Resuming from {str(found)!r}, the newest '
                  f'whole one in {str(folder)!r}.', 'current', logging.WARNING)
        write_whole(pointer, str(found).encode())
    elif not named:
        pointer.unlink(missing_ok=True)  # Empty: MMEngine would take it for a name.


def _share_equal_meta(runner: Runner, checkpoint: dict) -> None:
    """MMEngine compares the data sets' metainfo by their pickles, which differ between equal things loaded and made."""
    dataset = getattr(runner.train_loop if runner._resume else None, 'dataloader', None)
    current = getattr(getattr(dataset, 'dataset', None), 'metainfo', None)
    loaded = checkpoint.get('meta', {}).get('dataset_meta')
    if current is not None and repr(to_plain(dict(meta=loaded))) == repr(to_plain(dict(meta=current))):
        checkpoint['meta']['dataset_meta'] = current

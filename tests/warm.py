"""Python processes that begin with the large libraries imported: what a fresh one spends most of its time with.

:func:`python` is a file to run in place of ``sys.executable``, with ``-c``, ``-m`` or a script, ``-W`` and ``-u``. It hands its
folder, environment, arguments and streams to a server, whose fork runs the program in their place, and ends with that program's
status. It is ``sys.executable`` of that program, too. Neither this project nor the OpenMMLab stack is imported in it before.
"""
import atexit
import functools
import importlib
import os
import select
import signal
import socket
import sys
import warnings
from typing import Any, Dict, List, NoReturn

# What mmpose.apis imports that is nobody's but its own, the slowest of it.
LIBRARIES = ('torch', 'torch.distributed.optim', 'torch._dynamo', 'numba', 'pandas', 'scipy.stats', 'scipy.io',
             'matplotlib.pyplot', 'albumentations', 'cv2', 'shapely', 'rich', 'yapf')


@functools.cache
def python() -> str:
    """The file that stands for ``python``; its server lives as long as this process."""
    import shlex
    import subprocess
    import tempfile
    folder = tempfile.mkdtemp(prefix='warm-')
    command, path = (os.path.join(folder, name) for name in ('python', 'socket'))
    with open(command, 'w') as file:
        file.write(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S {shlex.quote(__file__)} {path} "$@"\n')
    os.chmod(command, 0o700)
    environment = {key: value for key, value in os.environ.items() if not key.startswith('PYTHON')}
    server = subprocess.Popen([sys.executable, __file__, path, '--serve', command], env=environment,
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(_end, server, path)
    assert server.stdout is not None and server.stdout.readline() == b'ready\n'
    return command


def _end(server: Any, path: str) -> None:
    import shutil
    server.kill()
    shutil.rmtree(os.path.dirname(path))


def serve(path: str, command: str) -> None:
    sys.path.pop(0)  # this folder
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for name in LIBRARIES:
            importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        print('ready', flush=True)
        while True:
            ready, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in ready:  # the one who started it has ended
                return
            connection, _ = listening.accept()
            if os.fork() == 0:
                listening.close()
                sys.executable = command
                _supervise(connection)
            connection.close()


def _supervise(connection: socket.socket) -> NoReturn:
    """Run what is asked for in a fork, tell how it ended, and kill it and its children if the one who asked is gone."""
    import json
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    size, streams, _, _ = socket.recv_fds(connection, 8, 3)
    message = connection.recv(int.from_bytes(size, 'big'), socket.MSG_WAITALL)
    program = os.fork()
    if program == 0:
        connection.close()
        os.setsid()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        _run(**json.loads(message))
    ended = os.pidfd_open(program)
    ready, _, _ = select.select([ended, connection], [], [])
    if ended not in ready:
        os.killpg(program, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(program, 0)[1])
    if ended in ready:
        connection.send(status.to_bytes(8, 'big', signed=True))
    os._exit(0)


def _run(arguments: List[str], folder: str, environment: Dict[str, str]) -> NoReturn:
    """As ``python`` with these arguments does, to the end of the process."""
    import threading
    status = 1
    try:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:0] = [path for path in environment.get('PYTHONPATH', '').split(os.pathsep) if path]
        _run_as_main(arguments)
        status = 0
    except SystemExit as leave:
        status = leave.code if isinstance(leave.code, int) else 0 if leave.code is None else 1
        if isinstance(leave.code, str):
            print(leave.code, file=sys.stderr)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        threading._shutdown()
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status & 0xff)


def _run_as_main(arguments: List[str]) -> None:
    import runpy
    import types
    while arguments[0] in ('-W', '-u'):
        if arguments[0] == '-W':
            warnings.simplefilter(arguments[1])  # type: ignore[arg-type]
        arguments = arguments[2 if arguments[0] == '-W' else 1:]
    if arguments[0] in ('-c', '-m'):
        sys.path.insert(0, '' if arguments[0] == '-c' else os.getcwd())
        sys.argv = [arguments[0], *arguments[2:]]
    else:
        sys.path.insert(0, os.path.dirname(os.path.abspath(arguments[0])))
        sys.argv = list(arguments)
    if arguments[0] == '-m':
        runpy.run_module(arguments[1], run_name='__main__', alter_sys=True)
    elif arguments[0] == '-c':
        main = sys.modules['__main__'] = types.ModuleType('__main__')
        exec(compile(arguments[1], '<string>', 'exec'), main.__dict__)
    else:
        runpy.run_path(arguments[0], run_name='__main__')


def ask(path: str, arguments: List[str]) -> Any:
    """Have the server run a program with the streams of this process, and end as it did."""
    import json
    message = json.dumps(dict(arguments=arguments, folder=os.getcwd(), environment=dict(os.environ))).encode()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        socket.send_fds(connection, [len(message).to_bytes(8, 'big')], [0, 1, 2])
        connection.sendall(message)
        status = int.from_bytes(connection.recv(8, socket.MSG_WAITALL), 'big', signed=True)
    if status < 0:
        os.kill(os.getpid(), -status)
    sys.exit(status)


if __name__ == '__main__':
    serve(sys.argv[1], sys.argv[3]) if sys.argv[2:3] == ['--serve'] else ask(sys.argv[1], sys.argv[2:])

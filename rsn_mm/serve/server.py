"""Models by name, a socket, and a server that Ctrl-C ends."""
import socket
from collections import Counter
from ipaddress import ip_address
from pathlib import Path
from typing import Any, List, NamedTuple, Optional, Sequence

import uvicorn
from starlette.types import ASGIApp

# Connections beyond are answered with 503 at once.
MOST_CONNECTIONS = 100
# Seconds that Ctrl-C leaves to requests that are being computed.
LAST_REQUESTS = 5


class ModelArgument(NamedTuple):
    """A model as named on the command line: what users call it, the model, and its checkpoint."""
    name: str
    pose: str
    weights: Optional[str]


def parse_models(arguments: Sequence[str]) -> List[ModelArgument]:
    """Models of ``MODEL`` or ``MODEL=WEIGHTS``, named by the model alone where that tells them apart.

    Raises:
        ValueError: if an argument is empty or given twice.
    """
    models = []
    short = Counter(Path(argument.split('=', 1)[0]).stem for argument in arguments)
    for argument in arguments:
        pose, separator, weights = argument.partition('=')
        if not pose or separator and not weights:
            raise ValueError(f'{argument!r} names no model. Give MODEL or MODEL=WEIGHTS.')
        if arguments.count(argument) > 1:
            raise ValueError(f'{argument!r} is given twice.')
        stem = Path(pose).stem
        models.append(ModelArgument(stem if short[stem] == 1 else argument, pose, weights or None))
    return models


def open_socket(host: str, port: int) -> socket.socket:
    """Listen at an address.

    Args:
        host (str): Address or name of this machine.
        port (int): 0 for any that is free.

    Raises:
        ValueError: if there is no such port.
        OSError: if it cannot be had.
    """
    if not 0 <= port <= 65535:
        raise ValueError(f'port={port} is none: give 1 to 65535, or 0 for any that is free.')
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ':' in host else socket.AF_INET)
    except OSError as error:
        raise OSError(f'{host} port {port} cannot be had: {error.strerror or error}. Give another --port (0: any that is '
                      'free) or --host.') from error


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f'http://[{host}]:{port}/' if ':' in host else f'http://{host}:{port}/'


def is_this_machine_only(host: str) -> bool:
    """Whether nobody else can reach an address or name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == 'localhost'


def make_server(app: ASGIApp, **options: Any) -> uvicorn.Server:
    """A server for an application; ``run(sockets=[...])`` it."""
    # Uvicorn's own log_config closes every log file of the process, MMEngine's among them.
    return uvicorn.Server(uvicorn.Config(app, http='h11', ws='none', lifespan='off', log_config=None, log_level='warning',
                                         access_log=False, server_header=False, limit_concurrency=MOST_CONNECTIONS,
                                         timeout_graceful_shutdown=LAST_REQUESTS, **options))

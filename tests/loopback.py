"""A server on this machine that behaves as servers of checkpoints do, well and badly."""
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Dict, List, NamedTuple


class Answer(NamedTuple):
    """What a path gives: ``sent`` bytes of ``content`` (all if None), announced as whole; then nothing for ``silence`` seconds.

    Before the first byte it waits for ``delay`` seconds.
    """
    content: bytes
    sent: Any = None
    delay: float = 0.
    silence: float = 0.
    status: int = 200


class Loopback:
    """Serve ``answers`` by path at ``address``; ``asked`` are the paths that were asked for, in order."""

    def __init__(self, answers: Dict[str, Answer]) -> None:
        self.asked: List[str] = []
        self._over = threading.Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):

            def do_GET(self) -> None:
                owner.asked.append(self.path)
                answer = answers.get(self.path, Answer(b'', status=404))
                owner._over.wait(answer.delay)
                self.send_response(answer.status)
                self.send_header('Content-Length', str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content[:answer.sent])
                self.wfile.flush()
                owner._over.wait(answer.silence)

            def log_message(self, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.address = f'http://127.0.0.1:{self._server.server_port}'
        threading.Thread(target=self._server.serve_forever, args=(0.02, ), daemon=True).start()

    def close(self) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

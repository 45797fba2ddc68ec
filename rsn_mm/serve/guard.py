"""Who may talk to the server, and what browsers may do with its answers."""
import re
from ipaddress import ip_address
from typing import Any, Awaitable, Callable, Collection, Dict, MutableMapping, Optional
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Message, Receive, Send], Awaitable[None]]

HEADERS: Dict[str, str] = {
    'Content-Security-Policy': "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                               "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'X-Content-Type-Options': 'nosniff',
    'X-Frame-Options': 'DENY',
    'Referrer-Policy': 'no-referrer',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Cross-Origin-Resource-Policy': 'same-origin',
    'Cache-Control': 'no-store',
}
# A name or address, an IPv6 one in brackets, and a port.
_HOST = re.compile(r'(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?')


class Guard:
    """Middleware: refuse requests meant for another host or sent by another site's page, and set headers of security.

    A page of another site can give its own name this machine's address (DNS rebinding); its requests then carry that name
    as ``Host``. Addresses cannot be rebound, so they are allowed beside ``localhost`` and ``names``.

    Args:
        app: The application behind.
        names (Collection[str]): Further names of this machine that its users type.
    """

    def __init__(self, app: Asgi, names: Collection[str] = ()) -> None:
        self._app = app
        self._names = {'localhost', *(name.lower() for name in names)}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope['type'] == 'lifespan':
            return await self._app(scope, receive, send)

        async def send_guarded(message: Message) -> None:
            if message['type'] == 'http.response.start':
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        answer = self._refuse(Headers(scope=scope))
        await (answer or self._app)(scope, receive, send_guarded)

    def _refuse(self, headers: Headers) -> Optional[JSONResponse]:
        host, origin = headers.get('host', ''), headers.get('origin')
        if len(headers.getlist('host')) != 1 or not self._is_ours(host):
            return JSONResponse(dict(error=f'This server is not called {host!r}. Use its address, localhost, or a name '
                                           'given by --allow-host.'), 421)
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return JSONResponse(dict(error=f'Pages of {origin!r} may not use this server.'), 403)
        return None

    def _is_ours(self, host: str) -> bool:
        parts = _HOST.fullmatch(host.lower())
        return parts is not None and (parts['name'] in self._names or _is_address(parts['name'].strip('[]')))


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

"""The page and its requests.

``GET /api/models``: the models, whether there is a detector, and the limits.
``POST /api/poses?model=NAME&boxes=BOXES`` with a picture's file as body: its poses. BOXES is ``detector`` (the default where
there is one), ``whole`` (the picture is one person), or a JSON list of [left, top, right, bottom] in px of the upright picture.

Errors are JSON, ``{"error": "..."}``.
"""
import asyncio
import json
from importlib.resources import files
from typing import Any, Collection, Dict, List, Optional, Sequence, Tuple

import numpy as np
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from .guard import Guard
from .limits import MEBIBYTE, Limits, Refused
from .workers import Job, PoseWorker, to_coco

STATIC = {
    'page.html': 'text/html',
    'page.css': 'text/css',
    'page.js': 'text/javascript',
    'overlay.js': 'text/javascript',
    'boxes.js': 'text/javascript',
    'icon.svg': 'image/svg+xml',
}


def make_app(workers: Sequence[PoseWorker], has_detector: bool, limits: Limits, names: Collection[str] = ()) -> Guard:
    """The ASGI application.

    Args:
        workers (Sequence[PoseWorker]): At least one; the first is what the page begins with.
        has_detector (bool): Whether they can be asked for its boxes.
        limits (Limits): Bounds of a request.
        names (Collection[str]): See :class:`Guard`.
    """
    endpoints = _Endpoints(workers, has_detector, limits)
    routes: List[BaseRoute] = [_static_route(name, kind) for name, kind in STATIC.items()]
    routes += [
        _static_route('page.html', STATIC['page.html'], '/'),
        Route('/api/models', endpoints.models, methods=['GET']),
        Route('/api/poses', endpoints.poses, methods=['POST']),
    ]
    handlers = {Refused: _on_refused, HTTPException: _on_http, Exception: _on_fault}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), names)


class _Endpoints:

    def __init__(self, workers: Sequence[PoseWorker], has_detector: bool, limits: Limits) -> None:
        self._workers = {worker.name: worker for worker in workers}
        self._has_detector = has_detector
        self._limits = limits

    async def models(self, request: Request) -> Response:
        return JSONResponse(dict(
            models=[worker.describe() for worker in self._workers.values()], detector=self._has_detector,
            limits=dict(upload_bytes=self._limits.upload_bytes, pixels=self._limits.pixels, boxes=self._limits.boxes)))

    async def poses(self, request: Request) -> Response:
        worker = self._worker(request.query_params.get('model'))
        boxes, detect = self._boxes(request.query_params.get('boxes', 'detector' if self._has_detector else 'whole'))
        with worker:  # a place in the queue first: pictures in memory are bounded, too
            data = await self._picture(request)
            loop = asyncio.get_running_loop()
            result = await loop.run_in_executor(worker.executor, worker.run, Job(data, boxes, detect))
        return JSONResponse(dict(to_coco(result, data), skipped_boxes=result.skipped_boxes))

    def _worker(self, name: Optional[str]) -> PoseWorker:
        if name is None:
            return next(iter(self._workers.values()))
        if name not in self._workers:
            raise Refused(404, f'There is no model {name!r} here. There are: {", ".join(self._workers)}.')
        return self._workers[name]

    def _boxes(self, text: str) -> Tuple[Optional[np.ndarray], bool]:
        """Boxes (N, 4), or None; and whether the detector is to find them."""
        if text == 'detector' and not self._has_detector:
            raise Refused(400, 'This server has no detector: it was started with --det whole.')
        if text in ('whole', 'detector'):
            return None, text == 'detector'
        return parse_boxes(text, self._limits), False

    async def _picture(self, request: Request) -> bytes:
        """The body, refused as soon as it is too long."""
        try:
            return await asyncio.wait_for(self._read(request), self._limits.upload_seconds)
        except asyncio.TimeoutError as error:
            raise Refused(408, f'The picture did not arrive within {self._limits.upload_seconds:g} s.') from error
        except ClientDisconnect as error:
            raise Refused(400, 'The picture did not arrive as a whole.') from error

    async def _read(self, request: Request) -> bytes:
        most = self._limits.upload_bytes
        refused = Refused(413, f'The file is too big: {most / MEBIBYTE:g} MiB are the most.')
        announced = request.headers.get('content-length', '')
        if announced.isdecimal() and int(announced[:20]) > most:
            raise refused
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise refused
        return bytes(data)


def parse_boxes(text: str, limits: Limits) -> np.ndarray:
    """Boxes (N, 4) float32 of a JSON list of [left, top, right, bottom].

    Raises:
        Refused: 400 if it is anything else, or boxes are too many, too far out, or less than a pixel wide or high.
    """
    form = 'boxes must be "whole", "detector" or a JSON list of [left, top, right, bottom] in pixels'
    try:
        rows: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(400, f'{form}; this is no JSON.') from error
    if not isinstance(rows, list) or not 1 <= len(rows) <= limits.boxes:
        raise Refused(400, f'{form}, with 1 to {limits.boxes} of them.')
    for row in rows:
        if not isinstance(row, list) or len(row) != 4 or not all(_is_coordinate(one, limits) for one in row):
            raise Refused(400, f'{form}, four numbers each, none beyond {limits.coordinate:g}.')
        if row[2] - row[0] < 1 or row[3] - row[1] < 1:
            raise Refused(400, f'{form}, at least one pixel wide and high.')
    return np.array(rows, np.float32)


def _is_coordinate(value: Any, limits: Limits) -> bool:
    return type(value) in (int, float) and abs(value) <= limits.coordinate  # NaN is not


def _static_route(name: str, media_type: str, path: str = '') -> Route:
    # Read once: no path of a request ever reaches the file system.
    content = files(__package__).joinpath('static').joinpath(name).read_bytes()

    async def get(request: Request) -> Response:
        return Response(content, media_type=media_type)

    return Route(path or f'/{name}', get, methods=['GET'])


def _error(status: int, reason: str, headers: Optional[Dict[str, str]] = None) -> JSONResponse:
    return JSONResponse(dict(error=reason), status, headers)


async def _on_refused(request: Request, error: Any) -> Response:
    return _error(error.status, str(error), {'Retry-After': str(error.retry_after)} if error.retry_after else None)


async def _on_http(request: Request, error: Any) -> Response:
    return _error(error.status_code, error.detail, error.headers)


async def _on_fault(request: Request, error: Any) -> Response:
    return _error(500, 'The server failed at this request; its log says why.')

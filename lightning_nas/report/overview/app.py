"""The page as a web application: reads only, answers this machine only, and gives nothing but the pages of listed runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from lightning_nas.report.overview.listing import find_run, list_runs
from lightning_nas.report.overview.pages import compare_page, list_page, problem_page

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
"""Of every answer. The folder of a run may come from a stranger: nothing in a page may run or load anything."""


def make_app(folder: Path) -> Starlette:
    """The application over the runs of a folder, which is read anew for every page.

    A run is asked for by the name under which it is listed; a path in a request never becomes one of the file system. Requests
    under another name than that of this machine are refused, so that pages of the web cannot reach it by a name of theirs.

    Pages are made one after the other: the charts are matplotlib's, which knows no threads.

    Args:
        folder: With the runs.
    """

    def page(text: str, status: int = 200) -> Response:
        return HTMLResponse(text.encode(errors="replace"), status)

    async def runs(request: Request) -> Response:
        return page(list_page(folder, list_runs(folder)))

    async def report(request: Request) -> Response:
        name = request.path_params["name"]
        run = find_run(folder, name)
        if run is None:
            return page(problem_page(folder, f"{name} is not one of the runs."), 404)
        if not run.has_report:
            return page(problem_page(folder, f"{name} has no report; a run writes it when it has finished."), 404)
        return page(run.folder.report.read_text(encoding="utf-8", errors="replace"))

    async def compare(request: Request) -> Response:
        names = request.query_params.getlist("run")
        pair = [find_run(folder, name) for name in names]
        if len(pair) != 2 or names[0] == names[1]:
            return page(problem_page(folder, f"Choose two runs to compare; {len(set(names))} chosen."), 400)
        first, second = pair
        if first is None or second is None:
            return page(problem_page(folder, f"{names[pair.index(None)]} is not one of the runs."), 404)
        return page(compare_page(folder, first, second))

    async def missing(request: Request, error: Exception) -> Response:
        return page(problem_page(folder, "There is no such page."), 404)

    return Starlette(
        routes=[Route("/", runs), Route("/compare", compare), Route("/report/{name:path}", report)],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_guarded),
            Middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"]),
        ],
        exception_handlers={404: missing},
    )


async def _guarded(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    return response

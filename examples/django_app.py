"""The endpoint of `fastapi_app.py` in Django, in one file: a project of yours has its own settings.

    uvicorn --app-dir examples --workers 2 django_app:app

Django cancels an async view when its visitor leaves: a check that is still in line is free then.
"""

import logging
from math import ceil
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.asgi import ASGIRequest
from django.http import JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST

from s2v_detect import DetectClient, DetectError, ImageSkipped, ImageUnusable

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1", "localhost"])
django = get_asgi_application()
log = logging.getLogger(__name__)


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Open one client for the life of a worker, which Django itself is not told of."""
    if scope["type"] != "lifespan":
        await django(scope, receive, send)
        return
    await receive()  # lifespan.startup
    step = "startup"
    try:
        async with DetectClient(ledger="portraits.db") as client:
            scope["state"]["client"] = client
            await send({"type": "lifespan.startup.complete"})
            step = "shutdown"
            await receive()  # lifespan.shutdown
    except Exception as error:  # a server that is not told goes on without a client
        await send({"type": f"lifespan.{step}.failed", "message": str(error)})
        raise
    await send({"type": "lifespan.shutdown.complete"})


@require_POST
async def check(request: ASGIRequest) -> JsonResponse:
    """Return the verdict, or 503 at once where the line is longer than five seconds."""
    client: DetectClient = request.scope["state"]["client"]
    try:
        verdict = await client.check(request.GET.get("url", ""), max_wait_s=5)
    except DetectError as error:
        return explain(error)
    return JsonResponse(verdict.model_dump())


def explain(error: DetectError) -> JsonResponse:
    """Tell a visitor of the image alone: other errors may name the account."""
    status, detail, code = 503, "Images can't be checked now. Try again later.", ""
    if isinstance(error, ImageSkipped | ImageUnusable):
        status, detail = 422, "This image can't be checked. Give a public address of an image."
        code = getattr(error, "code", "")
    elif error.stops_run:  # the account, the set-up or the ledger: the operator must mend it
        log.error("A visitor was answered with %s: %s", status, error)
    headers = {"Retry-After": str(ceil(error.retry_after_s))} if error.retry_after_s else {}
    told = {"status": status, "detail": detail, "code": code, "billed": error.billed}
    return JsonResponse(
        told, status=status, headers=headers, content_type="application/problem+json"
    )


urlpatterns = [path("portraits", check)]

"""An endpoint that answers each visitor in turn, or says at once how long the line is.

    uvicorn --app-dir examples --workers 2 fastapi_app:app

Each worker has a client for its life; all of them share the account's line and the ledger.
"""

from fastapi import FastAPI, Request

from s2v_detect import Verdict
from s2v_detect.integrations.fastapi import (
    Detector,
    add_problem_handlers,
    lifespan,
    problems,
    while_present,
)

app = FastAPI(lifespan=lifespan(ledger="portraits.db"))
add_problem_handlers(app)


@app.post("/portraits", responses=problems())
async def check(url: str, request: Request, client: Detector) -> Verdict:
    """Return the verdict. A visitor who leaves the line costs nothing."""
    return await while_present(request, client.check(url, max_wait_s=5))

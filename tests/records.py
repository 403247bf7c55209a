"""Records as a run writes them, for tests of what reads or writes them."""

from typing import Any

from s2v_detect.tables import Record


def record(index: int = 0, **fields: Any) -> Record:
    """Return the record of an image that passed."""
    return {
        "line": index + 1,
        "index": index,
        "image": f"http://a.example/{index}.jpg",
        "kind": "checked",
        "check_pass": True,
        "humanoid": None,
        "code": "",
        "message": "",
        "request_id": "r",
        "error": None,
        "source": "service",
        "billed": "yes",
        "cost": 0.004,
        "cost_at_most": 0.004,
        "attempts": 1,
        "elapsed_s": 0.25,
        "at": "2026-11-23T12:00:00.000+00:00",
        **fields,
    }

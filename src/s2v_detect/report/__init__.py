"""A run as one page that can be mailed: what passed, what did not and why, the rate and the cost.

An edge over flat records (a run's output, or a ledger). The page holds everything it needs but the
pictures that have an address, which load from there. The same page can be served while the run goes
on. It knows no command: whoever runs tells it of records, and in its own words how far it is.

Imported late: Jinja (`_page.py`), for a page; Pillow, for files alone; aiohttp (`_live.py` and
`_serving.py`), for a page that is served. An advice alone needs no extra.
"""

from typing import TYPE_CHECKING, Any

from s2v_detect.report._advice import advice_for, skip_of

if TYPE_CHECKING:
    from s2v_detect.report._live import LivePage
    from s2v_detect.report._page import Going, Page, write_report


def __getattr__(name: str) -> Any:
    if name == "LivePage":
        from s2v_detect.report._live import LivePage  # noqa: PLC0415  # a server: few pages need it

        return LivePage
    if name in __all__:
        from s2v_detect.report import _page  # noqa: PLC0415  # an extra, which an advice needs not

        return getattr(_page, name)
    raise AttributeError(name)


__all__ = ["Going", "LivePage", "Page", "advice_for", "skip_of", "write_report"]

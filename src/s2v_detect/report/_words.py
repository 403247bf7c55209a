"""What the page says, all in one place: another language is another mapping of these names.

The template has them as `say`, the script as `words`. What a reason means is in `_advice.py`.
"""

from typing import Final

ENGLISH: Final = {
    "language": "en",
    # The groups, and what else the gallery can be narrowed to.
    "passed": "passed",
    "rejected": "rejected",
    "failed": "failed",
    "skipped": "skipped",
    "all": "all",
    "unknown bill": "unknown bill",
    # The result.
    "result": "Result",
    "cost": "Cost",
    "at_most": "at most {cost}",
    "requests": "Requests",
    "rows": "Rows",
    "rate": "Rate",
    "of_line": "of {line}",
    # The chart.
    "chart": "Requests a second",
    "chart_label": "Requests a second over time, against the line of {line}",
    "chart_label_alone": "Requests a second over time",
    "bar": "{at} UTC: {count:,} requests, {per_s:.2f} a second",
    "fold": "idle time is left out here",
    # The reasons.
    "reasons": "Why not",
    # The gallery.
    "images": "Images",
    "search": "Search",
    "search_hint": "Search address, message, line, your columns",
    "show": "Show",
    "more": "Show more",
    "count": "{found} of {all}",
    "line": "line {line}",
    "no_picture": "no picture",
    "image": "Image",
    "close": "Close",
    "group": "result",
    "open": "Open the image",
    "listed": (
        "The list has {listed:,} of {done:,} images, so that this page opens quickly: failed and"
        " rejected ones first."
    ),
    "left_out": "{count:,} {group} images are left out of this list, chosen at random.",
    "source": "All of them are in <bdi>{source}</bdi>.",
    "whole_figures": "The numbers, reasons and the chart above are those of all images.",
    # While the run goes on.
    "progress": "The run goes on",
    "progress_label": "Images done",
    "latest": (
        "The latest images come first. While many come at once, some are not in the list before"
        " the run ends."
    ),
    "ended": "The run has ended.",
    "ended_early": "The run has ended early. The terminal says why.",
    "served_no_more": (
        "This page is as it was then, and is served no more: do not load it again. To keep it,"
        " print it, or make the report: s2v-detect report OUT -o report.html."
    ),
    "lost": (
        "The run can't be reached: it was stopped at once, or its machine is out of reach. What"
        " is here was so at {time}."
    ),
    # The foot.
    "made_by": "Made by s2v-detect {version}.",
    "addresses": (
        "Thumbnails of files are in this page, others load from their own addresses; the addresses"
        " are in this file whole, signed ones too."
    ),
}
"""A name in braces is put in; `<bdi>` keeps a name of somebody's from turning the rest round."""

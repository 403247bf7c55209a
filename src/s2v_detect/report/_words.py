"""What the page says, all in one place: names, and a sentence for each in the page's language.

The template has them as `say`, the script as `words`. What a reason means is in `_advice.py`. What
finds a row (groups, filters, reasons) is the same in every language, and so is what a row holds.
"""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from s2v_detect.languages import N_, Language, _, ngettext, speaking

ENGLISH: Final = {
    # The groups, and what else the gallery can be narrowed to.
    "passed": N_("passed"),
    "rejected": N_("rejected"),
    "failed": N_("failed"),
    "skipped": N_("skipped"),
    "all": N_("all"),
    "unknown bill": N_("unknown bill"),
    # The result.
    "result": N_("Result"),
    "cost": N_("Cost"),
    "money": N_("CNY {cost}"),
    "at_most": N_("at most {cost}"),
    "requests": N_("Requests"),
    "rows": N_("Rows"),
    "rate": N_("Rate"),
    "per_s": N_("{rate}/s"),
    "of_line": N_("of {line}"),
    "share": N_("{count} {group}"),
    "comma": N_(", "),
    # The chart.
    "chart of requests": N_("Requests a second"),
    "chart of answers": N_("Answers a second"),
    "chart_label": N_("Requests a second over time, against the line of {line}"),
    "limit": N_("{line}/s"),
    "day": N_("%d %b"),
    "fold": N_("idle time is left out here"),
    # The reasons.
    "reasons": N_("Why not"),
    # The gallery.
    "images": N_("Images"),
    "search": N_("Search"),
    "search_hint": N_("Search address, message, line, your columns"),
    "show": N_("Show"),
    "more": N_("Show more"),
    "count": N_("{found} of {all}"),
    "line": N_("line {line}"),
    "no_picture": N_("no picture"),
    "image": N_("Image"),
    "close": N_("Close"),
    "group": N_("result"),
    "open": N_("Open the image"),
    "own": N_("your columns"),
    "too_long": N_("too long for this page"),
    "listed": N_(
        "The list has {listed:,} of {done:,} images, so that this page opens quickly: failed and"
        " rejected ones first."
    ),
    "source": N_("All of them are in <bdi>{source}</bdi>."),
    "whole_figures": N_("The numbers, reasons and the chart above are those of all images."),
    # While the run goes on.
    "progress": N_("The run goes on"),
    "progress_label": N_("Images done"),
    "latest": N_(
        "The latest images come first. While many come at once, some are not in the list before"
        " the run ends."
    ),
    "ended": N_("The run has ended."),
    "ended_early": N_("The run has ended early. The terminal says why."),
    "served_no_more": N_(
        "This page is as it was then, and is served no more: do not load it again. To keep it,"
        " print it, or make the report: s2v-detect report OUT -o report.html."
    ),
    "lost": N_(
        "The run can't be reached: it was stopped at once, or its machine is out of reach. What"
        " is here was so at {time}."
    ),
    # The head and the foot.
    "made_at": N_("{at:%d %B %Y, %H:%M} UTC"),
    "made_by": N_("Made by s2v-detect {version}."),
    "addresses": N_(
        "Thumbnails of files are in this page, others load from their own addresses; the addresses"
        " are in this file whole, signed ones too."
    ),
}
"""A name in braces is put in; `<bdi>` keeps a name of somebody's from turning the rest round."""

_COUNTED: Final[dict[str, Callable[[int], str]]] = {
    "bar of answers": lambda count: ngettext(
        "{at} UTC: {count:,} answer, {per_s:.2f} a second",
        "{at} UTC: {count:,} answers, {per_s:.2f} a second",
        count,
    ),
    "bar of requests": lambda count: ngettext(
        "{at} UTC: {count:,} request, {per_s:.2f} a second",
        "{at} UTC: {count:,} requests, {per_s:.2f} a second",
        count,
    ),
    "left_out": lambda count: ngettext(
        "{count:,} {group} image is left out of this list, chosen at random.",
        "{count:,} {group} images are left out of this list, chosen at random.",
        count,
    ),
}
"""Sentences that are others where the count is 1."""

FIELDS: Final = {
    "line": N_("line"),
    "image": N_("image"),
    "code": N_("code"),
    "message": N_("message"),
    "error": N_("error"),
    "billed": N_("billed"),
    "at": N_("at"),
}
"""What an output's own columns are called beside an enlarged image."""
_OF_LANGUAGE: Final[dict[Language, dict[str, str]]] = {
    "en": {"tag": "en", "gap": " "},
    "zh": {"tag": "zh-CN", "gap": ""},
}
"""What is no sentence: the language as HTML names it, and what stands between two sentences."""


@cache
def words_in(language: Language) -> Mapping[str, str]:
    """Return what the page says, by the names of `ENGLISH`."""
    return _OF_LANGUAGE[language] | said(ENGLISH, language)


def counted_in(language: Language) -> Callable[[str, int], str]:
    """Return what says a sentence of a count, by its name."""

    def counted(name: str, count: int) -> str:
        with speaking(language):
            return _COUNTED[name](count)

    return counted


@cache
def fields_in(language: Language) -> Mapping[str, str]:
    """Return what the columns are called, by their names."""
    return said(FIELDS, language)


def said(table: Mapping[str, str], language: Language) -> dict[str, str]:
    """Return a table of sentences in a language that is given: a page has a thread of its own."""
    with speaking(language):
        return {name: _(text) for name, text in table.items()}

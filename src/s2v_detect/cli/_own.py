"""Which files a command may replace or append to: those that this command wrote, by what they hold.

A report and a summary are made again by the same command, and events are appended; so the file of
an earlier run has to give way without a question. Nothing else has: not what a person wrote, not a
list, not an output. Devices and pipes are no such files: nothing in them is lost.
"""

import json
from pathlib import Path

from s2v_detect.bulk import Replaceable
from s2v_detect.cli._probe_page import TITLE
from s2v_detect.languages import N_

_HEAD_BYTES = 1 << 16
"""A page names its maker within them; older releases did so behind the style, some 7 KB."""
_PAGE = b"<!doctype html>"
_MADE_HERE = (
    b'<meta name="generator" content="s2v-detect',
    b'<p class="over">wan2.2-s2v-detect</p>',
)
_LARGEST_SUMMARY = 1 << 22
_OF_SUMMARY = frozenset(("schema_version", "exit_code", "exit_meaning", "output", "spend"))
_LONGEST_EVENT = 1 << 20
_OF_EVENT = frozenset(("kind", "at", "image", "attempt", "lane"))


def _is_report(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return head.startswith(_PAGE) and any(mark in head for mark in _MADE_HERE)


def _is_summary(path: Path) -> bool:
    with path.open("rb") as file:
        text = file.read(_LARGEST_SUMMARY + 1)
    return len(text) <= _LARGEST_SUMMARY and _has_keys(text, _OF_SUMMARY)


def _are_events(path: Path) -> bool:
    with path.open("rb") as file:
        return _has_keys(file.readline(_LONGEST_EVENT), _OF_EVENT)


def _has_keys(text: bytes, names: frozenset[str]) -> bool:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and names <= found.keys()


def _is_probe(path: Path) -> bool:
    with path.open("rb") as file:
        return file.readline(_LONGEST_EVENT).rstrip(b"\r\n") == TITLE.encode()


REPORT = Replaceable(_is_report, N_("is no report of s2v-detect"))
SUMMARY = Replaceable(_is_summary, N_("is no summary of s2v-detect"))
PROBE = Replaceable(_is_probe, N_("is no page of a probe"))
EVENTS = Replaceable(_are_events, N_("holds no events of s2v-detect"))


def export_over(*, force: bool) -> Replaceable:
    """Return what an export may replace: nothing, unless its user says so."""
    why = N_("an export replaces no file by itself")
    return Replaceable(lambda _path: force, why, do=N_("give --force"))

"""`s2v-detect run`: a file of URLs into a file of verdicts."""

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from s2v_detect import DetectClient, Spend
from s2v_detect.bulk import Input, JsonLines, Run, RunSummary, Tally
from s2v_detect.cli._account import Account
from s2v_detect.cli._exits import Exit, exit_of
from s2v_detect.cli._progress import Progress
from s2v_detect.cli._signals import heeding_signals
from s2v_detect.cli._summary import print_summary
from s2v_detect.cli._terminal import stderr_console

STANDARD = "-"


class Unusable(Exception):
    """The input or the output can't be used; the message says what to do."""

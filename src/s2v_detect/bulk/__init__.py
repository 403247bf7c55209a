"""A long input screened into an output: lines in, one outcome a line out, and the counts.

An edge: it speaks to the client through the public names alone, and it knows no terminal, no
environment and no signal. Those are the command's.
"""

from s2v_detect.bulk.inputs import Input, Line, LineSplitter
from s2v_detect.bulk.outputs import JsonLines, Output, json_line
from s2v_detect.bulk.run import Run, RunSummary
from s2v_detect.bulk.tally import Tally

__all__ = [
    "Input",
    "JsonLines",
    "Line",
    "LineSplitter",
    "Output",
    "Run",
    "RunSummary",
    "Tally",
    "json_line",
]

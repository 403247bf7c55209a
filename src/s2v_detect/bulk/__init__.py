"""A long input screened into an output: lines in, one outcome a line out, and the counts.

An edge: it speaks to the client through the public names alone, and it knows no terminal, no
environment and no signal. Those are the command's.
"""

from s2v_detect.bulk._beside import replacing, try_replacing
from s2v_detect.bulk._known import FAILURES, Retried, refuse_no_failures
from s2v_detect.bulk.expected import Expected
from s2v_detect.bulk.folder import (
    Files,
    file_row,
    is_image_file,
    is_image_name,
    is_pattern,
    may_be_image,
    steady_folder,
)
from s2v_detect.bulk.inputs import Input, Options
from s2v_detect.bulk.listed import Listed
from s2v_detect.bulk.outputs import Output, open_output, pipe_output, write_table
from s2v_detect.bulk.paths import (
    OwnFiles,
    PathError,
    Replaceable,
    Used,
    as_copy,
    as_input,
    as_ledger,
    as_output,
    as_written,
    is_database,
    is_folder,
    refuse_conflicts,
)
from s2v_detect.bulk.records import column_names
from s2v_detect.bulk.run import Bound, Run, RunSummary
from s2v_detect.bulk.sample import Interval, Sample, interval
from s2v_detect.bulk.skips import Skip, Skips
from s2v_detect.bulk.tally import Tally

Source = Input | Files | Listed
"""Where the rows of a run come from."""

__all__ = [
    "FAILURES",
    "Bound",
    "Expected",
    "Files",
    "Input",
    "Interval",
    "Listed",
    "Options",
    "Output",
    "OwnFiles",
    "PathError",
    "Replaceable",
    "Retried",
    "Run",
    "RunSummary",
    "Sample",
    "Skip",
    "Skips",
    "Source",
    "Tally",
    "Used",
    "as_copy",
    "as_input",
    "as_ledger",
    "as_output",
    "as_written",
    "column_names",
    "file_row",
    "interval",
    "is_database",
    "is_folder",
    "is_image_file",
    "is_image_name",
    "is_pattern",
    "may_be_image",
    "open_output",
    "pipe_output",
    "refuse_conflicts",
    "refuse_no_failures",
    "replacing",
    "steady_folder",
    "try_replacing",
    "write_table",
]

"""The values a user holds: verdicts, outcomes, the spend, events, and a client at one instant.

Plain frozen values and the types of their fields. They know no client, no clock and no network.
"""

from s2v_detect.models._statistics import (
    FlightStatistics,
    LaneStatistics,
    LineStatistics,
    OutageStatistics,
    Statistics,
)
from s2v_detect.models._value import Value
from s2v_detect.models._values import (
    LANES,
    Checked,
    Event,
    EventKind,
    Failed,
    Image,
    ItemT,
    Lane,
    Outcome,
    Skipped,
    Spend,
    Verdict,
)

__all__ = [
    "LANES",
    "Checked",
    "Event",
    "EventKind",
    "Failed",
    "FlightStatistics",
    "Image",
    "ItemT",
    "Lane",
    "LaneStatistics",
    "LineStatistics",
    "OutageStatistics",
    "Outcome",
    "Skipped",
    "Spend",
    "Statistics",
    "Value",
    "Verdict",
]

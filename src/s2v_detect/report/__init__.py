"""A run as one page that can be mailed: what passed, what did not and why, the rate and the cost.

An edge over flat records (a run's output, or a ledger). The page holds everything it needs but the
pictures that have an address, which load from there. Pillow is imported late: for files alone.
"""

from s2v_detect.report._page import write_report

__all__ = ["write_report"]

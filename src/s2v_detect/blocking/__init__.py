"""The client for code that is not async: a function that blocks, and what an interrupt gives back.

`_plain` has what a user calls, `_works` what runs in the loop for it, `_call` the loop, its thread
and the signals. The room knows the client and its stream, and nothing of what they do. anyio's
portal is imported late.
"""

from s2v_detect.blocking._plain import check_all, check_one

__all__ = ["check_all", "check_one"]

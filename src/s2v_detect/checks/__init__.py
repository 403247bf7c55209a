"""One image's check, and a stream of them: from the ledger to the verdict.

`_check` is one image from top to bottom, `_again` what follows an error (pure), `_preparing` what
the service is given. `_flights`, `_flight` and `_waiters` are single flight: one task an image, for
all who wait. `_breaker` and `_line` are the way to a turn, `_money` what was spent and what may
still be, `_window` and `_stream` many images in a bounded memory. `_session` is what all checks of
one opening of the client work with. It knows no environment, no arguments of the client and no
command.
"""

from s2v_detect.checks._breaker import Breaker
from s2v_detect.checks._flights import Flights, Patience
from s2v_detect.checks._line import Line
from s2v_detect.checks._money import Allowance, Books, Watch
from s2v_detect.checks._session import Session, look_by
from s2v_detect.checks._stream import OutcomeStream, refuse_no_items
from s2v_detect.checks._window import Items, Window

__all__ = [
    "Allowance",
    "Books",
    "Breaker",
    "Flights",
    "Items",
    "Line",
    "OutcomeStream",
    "Patience",
    "Session",
    "Watch",
    "Window",
    "look_by",
    "refuse_no_items",
]

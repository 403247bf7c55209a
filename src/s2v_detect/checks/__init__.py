"""One image's check, and a stream of them: from the ledger to the verdict.

`_check` is one image from top to bottom, `_again` what follows an error (pure), `_preparing` what
the service is given. `_flights`, `_flight` and `_waiters` are single flight: one task an image, for
all who wait. `_breaker` and `_line` are the way to a turn, `_money` what was spent and what may
still be, `_window` and `_stream` many images in a bounded memory. `_session` is what all checks of
a client work with: its configuration, and what each opening makes of that. It knows no environment
and no command.
"""

from s2v_detect.checks._breaker import Breaker
from s2v_detect.checks._flights import Flights, Patience, statistics_of
from s2v_detect.checks._money import Allowance, Books, Watch
from s2v_detect.checks._session import Configuration
from s2v_detect.checks._stream import OutcomeStream, refuse_no_items
from s2v_detect.checks._window import Items, Window

__all__ = [
    "Allowance",
    "Books",
    "Breaker",
    "Configuration",
    "Flights",
    "Items",
    "OutcomeStream",
    "Patience",
    "Watch",
    "Window",
    "refuse_no_items",
    "statistics_of",
]

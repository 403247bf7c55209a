"""`max_cost`: a request is made only if it can be paid for whatever becomes of the others.

What is in flight counts at full price, and so does what is unknown. At the limit a request waits
for those in flight to settle; when none is left and there is still no room, the budget is spent.
"""

import asyncio
from collections import deque
from decimal import Decimal, InvalidOperation

from s2v_detect._service import PRICE_CNY
from s2v_detect.errors import BudgetSpent, ConfigurationError

_MOST_CNY = Decimal(10) ** 15
"""More than anybody has: a higher budget is as good, and this one's requests can be counted."""


class Budget:
    """How many requests may still be paid for."""

    def __init__(self, max_cost: Decimal | None, *, spent: int) -> None:
        self._most = None if max_cost is None else int(min(max_cost, _MOST_CNY) // PRICE_CNY)
        self._max_cost = max_cost
        self._spent = spent
        self._held = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def hold(self) -> None:
        """Return when one more request is within the budget. Raises `BudgetSpent`."""
        while self._is_full:
            self.refuse_if_spent()
            await self._change()
        self._held += 1

    def refuse_if_spent(self) -> None:
        """Raise `BudgetSpent` where there is no room, and nothing in flight that may leave any."""
        if self._is_full and not self._held:
            raise BudgetSpent(
                f"not sent, one more request might pass max_cost (CNY {self._max_cost}).",
                do="Raise max_cost to go on; what was answered is kept.",
            )

    def settle(self, *, paid: int) -> None:
        """Let go of a held request: so many images were paid for (perhaps), or none."""
        self._held -= 1
        self._spent += paid
        if not paid or not self._held:
            self._wake(len(self._waiting) if not self._held else 1)

    @property
    def _is_full(self) -> bool:
        return self._most is not None and self._spent + self._held >= self._most

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake(1)  # it was this one's to use
            raise

    def _wake(self, count: int) -> None:
        while count and self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1


def money(max_cost: Decimal | float | str | None) -> Decimal | None:
    """Return a budget in CNY as it was meant: 0.1 is a tenth."""
    if max_cost is None:
        return None
    try:
        amount = Decimal(str(max_cost))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(
            f"max_cost is {max_cost!r}.", do="Give an amount in CNY, such as 12.50."
        )
    return amount

"""A line in Redis that is asked who uses it, by somebody who wants no turn."""

from s2v_detect.limiters._redis._calls import BOUND_S, fault_in_words, refuse_setup_fault
from s2v_detect.limiters._redis._limiter import RedisLimiter


class AskedRedisLimiter(RedisLimiter):
    """A line that can be asked; after that, `sharing` has what the server says."""

    async def ask(self) -> None:
        """Have heard who uses the line. `lost` says why, where nothing is heard.

        Raises `ConfigurationError` for a server that refuses the user or the password.
        """
        with self._mutex:
            call = self._call("view")
        await call.wait(BOUND_S)
        if call.heard is None:
            refuse_setup_fault(call.fault, is_known=False)
            self.lost = fault_in_words(call.fault)

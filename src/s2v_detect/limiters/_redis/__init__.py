"""The line in Redis: the limiter, its calls, and the rule as a script (`line.lua`).

A folder in its room: nobody but the room's face imports from here. `redis` is imported late.
"""

from s2v_detect.limiters._redis._asked import AskedRedisLimiter
from s2v_detect.limiters._redis._limiter import RedisLimiter

__all__ = ["AskedRedisLimiter", "RedisLimiter"]

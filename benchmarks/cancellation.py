"""A thousand checks, each cancelled at a random instant, on a pool of one connection.

    python benchmarks/cancellation.py [--checks 1000] [--seeds 3]

Beside it the loop one writes by hand, whose tasks are themselves inside httpx. Exit code 1 where
ours lost anything.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter

import httpx

from s2v_detect import Event, LocalLimiter
from s2v_detect.emulator import Emulator, Pass

ONE = httpx.Limits(max_connections=1)
ALIVE_S = 5.0


async def cancelled_at_random(tasks: list["asyncio.Task[object]"], chance: random.Random) -> None:
    """Cancel all of them, each after some random steps of the loop, or some random time."""
    for task in chance.sample(tasks, len(tasks)):
        for _ in range(chance.randrange(12)):
            await asyncio.sleep(0)
        await asyncio.sleep(chance.choice((0, 0.004)) * chance.random())
        task.cancel()
    await asyncio.wait(tasks)


async def by_hand(emulator: Emulator, checks: int, seed: int) -> dict[str, object]:
    """Return what is left of a pool of one when its requests' own tasks are cancelled."""
    url = f"{emulator.base_url}/services/aigc/image2video/face-detect"
    headers = {"Authorization": f"Bearer {emulator.api_key}"}
    async with httpx.AsyncClient(limits=ONE, headers=headers, timeout=ALIVE_S) as http:

        async def check(number: int) -> object:
            image = f"https://images.example/{number}.jpg"
            body = {"model": "wan2.2-s2v-detect", "input": {"image_url": image}}
            return (await http.post(url, json=body)).json()

        tasks = [asyncio.create_task(check(number)) for number in range(checks)]
        await cancelled_at_random(tasks, random.Random(seed))
        answered = sum(not task.cancelled() and task.exception() is None for task in tasks)
        try:
            alive = bool(await check(checks))
        except httpx.PoolTimeout:
            alive = False
    return {"pool alive": alive, "billed": emulator.billed, "told": answered + alive}


async def ours(emulator: Emulator, checks: int, seed: int) -> dict[str, object]:
    """Return what is left of ours, and whether the line's order was kept."""
    events: list[Event] = []
    line = LocalLimiter(2_000)
    async with (
        httpx.AsyncClient(limits=ONE) as http,
        emulator.client(limiter=line, http_client=http, on_event=events.append) as client,
    ):
        tasks: list[asyncio.Task[object]] = [
            asyncio.create_task(client.check(f"https://images.example/{number}.jpg"))
            for number in range(checks)
        ]
        await cancelled_at_random(tasks, random.Random(seed))
        verdict = await client.check("https://images.example/alive.jpg", give_up_after_s=ALIVE_S)
        alive = verdict.check_pass
    told = client.spend.billed
    kinds = Counter(event.kind for event in events)
    turns = [int(name) for event in events if event.kind == "turn" if (name := _number(event))]
    return {
        "pool alive": alive,
        "billed": emulator.billed,
        "told": told,
        "unknown": client.spend.unknown,
        "turns lost": kinds["turn"] - kinds["sent"],
        "in order": turns == sorted(turns),
        "settled": kinds["settled"] == kinds["queued"],
    }


def _number(event: Event) -> str:
    name = str(event.image).rpartition("/")[2].removesuffix(".jpg")
    return name if name.isdigit() else ""


async def main() -> int:
    """Run both, print the table, and return the exit code."""
    parser = argparse.ArgumentParser(description="Checks cancelled at random on a pool of one.")
    parser.add_argument("--checks", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    lost = False
    for seed in range(options.seeds):
        for name, run in (("by hand", by_hand), ("s2v-detect", ours)):
            async with Emulator(answer=Pass(latency_s=(0.0, 0.004))) as emulator:
                found = await run(emulator, options.checks, seed)
            print(
                f"seed {seed}  {name:12}",
                *(f"{what}: {how}" for what, how in found.items()),
                sep="  ",
            )
            if run is ours:
                fine = found["pool alive"] and found["in order"] and found["settled"]
                even = found["billed"] == found["told"] and not found["unknown"]
                lost |= not (fine and even and found["turns lost"] == 0)
    print(
        "goal: pool alive, every bill told, no turn lost, order kept:", "missed" if lost else "met"
    )
    return int(lost)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

"""Trying `check_all` without a key: an emulator in a thread stands in for the service."""

from s2v_detect import check_all
from s2v_detect.emulator import Emulator, Pass, Reject

rows = [
    {"name": "Ada", "url": "https://example.com/ada.jpg"},
    {"name": "Ben", "url": "https://example.com/ben.jpg"},
]

with Emulator.run_in_thread(answer=Pass()) as emulator:  # without `answer` it looks at the images
    emulator.when("*/ben.jpg", Reject("InvalidFile.NoHuman"))
    outcomes = check_all(rows, image="url", api_key=emulator.api_key, base_url=emulator.base_url)

for outcome in outcomes:
    if outcome.kind == "checked":
        print(outcome.item["name"], outcome.verdict.check_pass, outcome.verdict.code)
print(f"{emulator.billed} images would have been billed: CNY {emulator.cost}")

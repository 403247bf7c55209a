"""Dagster, by the example: an asset that is materialized in this process, with its retries."""

from pathlib import Path

from s2v_detect.emulator import Cut, Emulator, Error, Reject


def test_an_asset_is_materialized(s2v_emulator: Emulator) -> None:
    """Its metadata say what came of the run; once more, it costs nothing."""
    from dagster import materialize

    from dagster_asset import verdicts

    s2v_emulator.when("*/1.jpg", Reject("InvalidFile.NoHuman"))
    for cost in (0.024, 0.0):
        done = materialize([verdicts])
        assert done.success
        [made] = done.asset_materializations_for_node("verdicts")
        told = {name: value.value for name, value in made.metadata.items()}
        assert (told["passed"], told["rejected"], told["cost_cny"]) == (5, 1, cost)
    assert s2v_emulator.billed == 6


def test_a_step_is_retried_by_its_exit_code(s2v_emulator: Emulator, tmp_path: Path) -> None:
    """5 is worth a retry, and 4 is not."""
    from dagster import materialize

    from dagster_asset import verdicts

    def told() -> list[str]:
        done = materialize([verdicts], raise_on_error=False)
        kinds = ("STEP_UP_FOR_RETRY", "STEP_SUCCESS", "STEP_FAILURE")
        happened = [event.event_type_value for event in done.all_events]
        return [each for each in happened if each in kinds]

    (tmp_path / "urls.txt").write_text("https://images.example/0.jpg")
    s2v_emulator.when("*", Cut(billed=True))
    assert told() == ["STEP_UP_FOR_RETRY"] * 3 + ["STEP_FAILURE"]
    assert s2v_emulator.requests == 2  # asked for again once, ever
    (tmp_path / "urls.txt").write_text("https://images.example/1.jpg")
    s2v_emulator.when("*", Error(401, "InvalidApiKey"))
    assert told() == ["STEP_FAILURE"]

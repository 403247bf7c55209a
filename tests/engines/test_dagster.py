"""Dagster, by the example: an asset that is materialized in this process, with its retries."""

import pytest

from s2v_detect.emulator import Emulator, Error, Reject


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


def test_an_outage_is_retried_and_a_refused_key_is_not(
    s2v_emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the exit codes 6 and 4; the second try of the same step goes on to the end."""
    from dagster import DagsterInstance, materialize

    from dagster_asset import verdicts

    def retries() -> list[str]:
        with DagsterInstance.ephemeral() as instance:
            done = materialize([verdicts], instance=instance, raise_on_error=False)
        told = [event.event_type_value for event in done.all_events]
        return [
            event
            for event in told
            if event in ("STEP_UP_FOR_RETRY", "STEP_SUCCESS", "STEP_FAILURE")
        ]

    s2v_emulator.when("*", Error(401, "InvalidApiKey"))
    assert retries() == ["STEP_FAILURE"]

"""The template names every outcome that there is."""

from exports.model import Outcome
from infra import watching


def test_the_dashboard_shows_every_outcome_and_the_data_of_those_that_have_some() -> None:
    assert tuple(Outcome) == watching.OUTCOMES
    assert tuple(outcome for outcome in Outcome if outcome.landed) == watching.LANDED

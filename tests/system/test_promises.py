"""Promises that nobody could keep or measure are findings."""

from __future__ import annotations

import pytest

from atoll.contracts import Api, Operation
from atoll.system import Service, Slo, System, Trouble
from atoll.system.checks import check
from atoll.system.promises import BOUNDS
from atoll.telemetry.metrics import SECONDS


class Books(Api):
    """What is for sale."""

    list = Operation("GET /books", None, None)


class Strange(Api):
    """Offered by nobody."""

    nothing = Operation("GET /nothing", None, None)


def findings(*slos: Slo) -> list[str]:
    system = System("small", services=(Service("books", serve="books:service", offers=(Books,)),), slos=slos)
    return [one.text for one in check(system)]


def test_bounds_are_those_of_the_histograms() -> None:
    assert BOUNDS == SECONDS


def test_what_can_be_kept_and_measured_is_no_finding() -> None:
    assert findings(Slo(Books.list, latency=0.25), Slo("books", availability=95, days=7)) == []


@pytest.mark.parametrize(
    ("slo", "text"),
    [
        (Slo("boks"), "there is no such service; known are books"),
        (Slo(Strange.nothing), "no service offers Strange"),
        (Slo("books", availability=100.0), "availability is 100 %"),
        (Slo("books", quick=0.0), "quick is 0 %"),
        (Slo("books", latency=0.3), "latency is 0.3 s, which no histogram tells; take 0.25"),
        (Slo("books", latency=-1.0), "latency is -1 s"),
        (Slo("books", days=0.0), "days is 0"),
    ],
)
def test_a_mistake_is_one_finding(slo: Slo, text: str) -> None:
    (found,) = findings(slo)
    assert text in found


def test_two_promises_of_one_thing_are_a_finding() -> None:
    (found,) = findings(Slo("books"), Slo("books", availability=95.0))
    assert "is there already" in found


def test_a_target_of_another_type_is_refused_at_once() -> None:
    with pytest.raises(Trouble, match="target=Books"):
        Slo(Books)  # type: ignore[arg-type]

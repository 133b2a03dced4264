"""What is wrong with a service's consumers is one line, before anything starts."""

from __future__ import annotations

import pytest

from atoll.contracts import Event, Raw, upcasts
from atoll.contracts.policies import ConsumerPolicy, EventPolicy
from atoll.sagas import saga
from atoll.serve.consumers import batched_events, consumer_stacks, refuse_wrong_consumers
from atoll.serve.failure import CannotServe
from atoll.serve.policies import resilience_of
from atoll.service import Handler, Named, Request, Resilience, Service, Sources, Stack, bind, consumes


class Renamed(Event, subject="user.renamed", version=2):
    user: str


@consumes(Renamed)
async def rename(event: Renamed) -> None:
    """A handler."""


@upcasts(Renamed, from_version=1)
def one(raw: Raw) -> Raw:
    return raw


@upcasts(Renamed, from_version=1)
def another(raw: Raw) -> Raw:
    return raw


def test_two_upcasters_of_one_version_are_named() -> None:
    refuse_wrong_consumers(Service("users", handlers=[rename], upcasters=[one, one]))
    with pytest.raises(CannotServe, match=r"one and .*another both upcast version 1 of Renamed; keep one"):
        refuse_wrong_consumers(Service("users", handlers=[rename], upcasters=[one, another]))


def test_what_is_no_upcaster_is_refused_where_it_is_listed() -> None:
    with pytest.raises(TypeError, match="is no upcaster"):
        Service("users", upcasters=[lambda raw: raw])


class Moved(Event, subject="user.moved"):
    user: str


@consumes(Moved)
async def count(events: list[Moved], request: Request) -> None:
    request.scope["counted"] = [event.user for event in events]


def users(resilience: Resilience | None = None) -> Service:
    return Service("users", handlers=[rename, count], migrations="users:migrations", resilience=resilience)


def read(resilience: Resilience | None = None, /, **values: str) -> Resilience:
    found = {f"ATOLL_RESILIENCE_{name}": value for name, value in values.items()}
    return resilience_of(users(resilience), found)


async def test_a_handler_of_lists_gets_lists() -> None:
    assert batched_events(users()) == {Moved}
    request = Request("user.moved", [Moved("ada"), Moved("bob")])
    await bind(count, Sources())(request)
    assert request.scope["counted"] == ["ada", "bob"]


def test_variables_go_before_the_code() -> None:
    own = Resilience(consumer=ConsumerPolicy(events={Moved: EventPolicy(batch=10)}))
    found = read(
        own,
        CONSUMER__IN_FLIGHT="4",
        CONSUMER__EVENT__DEADLINE="10",
        CONSUMER__EVENT__ORDERED="off",
        EVENT__USER_RENAMED__DELAYS="1,2.5",
        EVENT__USER_RENAMED__RETRY__ATTEMPTS="1",
    ).consumer
    assert found.in_flight == 4
    assert found.of(Moved) == EventPolicy(batch=10, deadline=10.0, ordered=False)
    assert found.of(Renamed).delays == (1.0, 2.5)
    assert found.of(Renamed).retry.attempts == 1
    assert read(EVENT__USER_MOVED__DELAYS="off").consumer.of(Moved).delays == ()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("EVENT__USER_LOST__DEADLINE", "1", "there is no 'user_lost' here; there are: user_renamed, user_moved"),
        ("EVENT__USER_MOVED", "1", "it names no field of EventPolicy"),
        ("EVENT__USER_MOVED__DELAYS", "1;2", "delays is '1;2'; it must be numbers with commas between them"),
        ("CONSUMER__EVENT__DEADLINE", "0", "deadline is 0 s"),
    ],
)
def test_a_wrong_variable_is_one_line(name: str, value: str, why: str) -> None:
    with pytest.raises(CannotServe, match=why):
        read(**{name: value})


def test_a_policy_for_what_is_not_consumed_is_refused() -> None:
    class Lost(Event, subject="user.lost"):
        user: str

    with pytest.raises(CannotServe, match=r"resilience\.consumer names Lost, which this service does not consume"):
        read(Resilience(consumer=ConsumerPolicy(events={Lost: EventPolicy()})))


def test_the_stacks_show_the_numbers_and_the_layers_of_the_service() -> None:
    def audit(inner: Handler) -> Handler:
        return inner

    resilience = Resilience(
        consumer=ConsumerPolicy(events={Renamed: EventPolicy(deadline=5.0, delays=(1.0,), in_flight=2)}),
        consumer_layers=lambda stack, event: Stack([Named("audit", audit, "sees what was handled")]),
    )
    stacks = consumer_stacks(users(resilience), resilience)
    steps = [named.name for named in stacks[Renamed]]
    assert steps == ["order", "bulkhead", "park", "retry", "deadline", "transaction", "inbox", "audit"]
    assert [named.name for named in stacks[Moved]][4] == "batch"
    shown = "\n".join(str(named) for named in stacks[Renamed])
    assert "bulkhead in_flight=8 own=2" in shown
    assert "park delays=1 then=dead letter" in shown
    assert "deadline seconds=5.0" in shown


def test_an_event_that_a_saga_takes_too_is_not_taken_in_lists() -> None:
    @saga(key="user")
    async def follow(event: Moved) -> None:
        """A saga."""

    with pytest.raises(CannotServe, match="count takes lists of Moved, which a saga consumes too"):
        refuse_wrong_consumers(Service("users", handlers=[count], sagas=[follow]))

"""Dependencies by type: what a handler asks for it gets, and what cannot be given is refused at start-up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from atoll.contracts import Api, Event, Input, Invalid, Message, Operation, Unauthenticated
from atoll.service import Caller, Header, Request, Sources, bind, consumes, implements
from atoll.service.plan import scoped_needs

if TYPE_CHECKING:
    from decimal import Decimal


class Ask(Input):
    text: str


class Answer(Message):
    text: str


class Asked(Event, subject="question.asked"):
    text: str


class Questions(Api):
    ask = Operation("POST /ask", Ask, Answer)
    ping = Operation("GET /ping", None, Answer)
    batch = Operation("POST /batch", list[Ask], Answer)


class Work:
    """Stands for what a layer puts into the scope."""


class Clock:
    """Stands for what a service provides."""

    name = "clock"


WORK, CLOCK = Work(), Clock()
SOURCES = Sources(scoped=(Work,), provided={Clock: CLOCK})


async def call(function: Callable[..., Any], message: Any = None, **options: Any) -> Any:
    request = Request("test", message, **options)
    request.scope[Work] = WORK
    return await bind(function, SOURCES)(request)


async def test_the_message_is_injected() -> None:
    @implements(Questions.ask)
    async def answer(question: Ask) -> Answer:
        return Answer(question.text)

    assert await call(answer, Ask("why")) == Answer("why")


async def test_the_message_may_be_any_type() -> None:
    @implements(Questions.batch)
    async def answer(questions: list[Ask]) -> Answer:
        return Answer(questions[0].text)

    assert await call(answer, [Ask("why")]) == Answer("why")


async def test_an_event_is_injected() -> None:
    seen: list[Asked] = []

    @consumes(Asked)
    async def hear(event: Asked) -> None:
        seen.append(event)

    await call(hear, Asked("why"))
    assert seen == [Asked("why")]


async def test_a_handler_may_ask_for_nothing() -> None:
    @implements(Questions.ping)
    async def pong() -> Answer:
        return Answer("pong")

    assert await call(pong) == Answer("pong")


async def test_everything_comes_in_its_place() -> None:
    got: list[Any] = []

    @implements(Questions.ask)
    async def answer(work: Work, question: Ask, request: Request, caller: Caller, *, clock: Clock) -> Answer:
        got.extend((work, question, request.name, caller, clock))
        return Answer("")

    caller = Caller("alice")
    await call(answer, Ask("why"), caller=caller)
    assert got == [WORK, Ask("why"), "test", caller, CLOCK]


async def test_a_caller_that_may_be_missing_may_be_missing() -> None:
    @implements(Questions.ping)
    async def pong(caller: Caller | None) -> Answer:
        return Answer(caller.subject if caller else "nobody")

    assert await call(pong) == Answer("nobody")
    assert await call(pong, caller=Caller("alice")) == Answer("alice")


async def test_a_caller_that_must_be_there_is_asked_for() -> None:
    @implements(Questions.ping)
    async def pong(caller: Caller) -> Answer:
        return Answer(caller.subject)

    with pytest.raises(Unauthenticated):
        await call(pong)


async def test_headers_are_injected() -> None:
    @implements(Questions.ping)
    async def pong(
        agent: Annotated[str, Header("User-Agent")],
        language: Annotated[str, Header("accept-language")] = "en",
        *,
        origin: Annotated[str | None, Header("origin")],
    ) -> Answer:
        return Answer(f"{agent} {language} {origin}")

    assert await call(pong, headers={"user-agent": "curl"}) == Answer("curl en None")
    with pytest.raises(Invalid) as caught:
        await call(pong)
    assert caught.value.fields[0].field == "header:user-agent"


def refused(function: Callable[..., Awaitable[Any]], sources: Sources = SOURCES) -> str:
    with pytest.raises(TypeError) as caught:
        bind(function, sources)
    return str(caught.value)


def test_a_type_that_nothing_provides_is_named_with_what_there_is() -> None:
    @implements(Questions.ask)
    async def answer(question: Ask, money: int) -> Answer:
        return Answer("")

    message = refused(answer)
    assert "answer: parameter 'money' of type int cannot be provided for <Operation ask: POST /ask>" in message
    assert "there are: Clock, Work" in message


def test_a_type_without_a_hash_is_only_unknown() -> None:
    @implements(Questions.ping)
    async def pong(one: Annotated[int, ["notes"]]) -> Answer:
        return Answer("")

    assert "parameter 'one'" in refused(pong)


def test_another_operations_message_is_unknown() -> None:
    @implements(Questions.ping)
    async def pong(question: Ask) -> Answer:
        return Answer("")

    assert "parameter 'question' of type Ask" in refused(pong)


def test_a_parameter_without_a_type_is_refused() -> None:
    @implements(Questions.ping)
    async def pong(anything) -> Answer:  # type: ignore[no-untyped-def]
        return Answer("")

    assert "parameter 'anything' has no type" in refused(pong)


def test_parameters_that_cannot_be_named_are_refused() -> None:
    @implements(Questions.ping)
    async def pong(**anything: int) -> Answer:
        return Answer("")

    assert "*anything cannot be injected" in refused(pong)


def test_a_type_that_only_the_type_checker_sees_is_refused() -> None:
    @implements(Questions.ping)
    async def pong(price: Decimal) -> Answer:
        return Answer("")

    assert "the type 'Decimal' is not known at run time" in refused(pong)


def test_a_header_is_text() -> None:
    @implements(Questions.ping)
    async def pong(size: Annotated[int, Header("content-length")]) -> Answer:
        return Answer("")

    assert "parameter 'size' comes from a header, so its type is str" in refused(pong)


def test_a_layer_that_nobody_needs_can_be_left_out() -> None:
    @implements(Questions.ping)
    async def with_work(work: Work | None) -> Answer:
        return Answer("")

    async def returns_work() -> Work:
        return WORK

    assert scoped_needs(with_work, (Work, Clock)) == {Work}
    assert scoped_needs(returns_work, (Work,)) == frozenset()


async def test_nothing_is_worked_out_again_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    @implements(Questions.ask)
    async def answer(question: Ask, work: Work) -> Answer:
        return Answer(question.text)

    handler = bind(answer, SOURCES)

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("reflection on the hot path")

    monkeypatch.setattr("inspect.signature", never)
    monkeypatch.setattr("atoll.service.plan.get_type_hints", never)
    request = Request("test", Ask("why"))
    request.scope[Work] = WORK
    assert await handler(request) == Answer("why")

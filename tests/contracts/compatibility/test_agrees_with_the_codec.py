"""What `compare` says of two contracts, judged by the codec that services run: what it calls additive is read."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Optional, Union

import msgspec
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from atoll.contracts import Api, Event, Input, Invalid, Message, Operation, decoder_for_event
from atoll.contracts.asyncapi import asyncapi
from atoll.contracts.codec import decoder_for, encode
from atoll.contracts.compatibility import Documents, compare
from atoll.contracts.openapi import openapi

Kind = tuple[Any, Any]  # a type, and the strategy of its values


def bounded(low: int, width: int) -> Kind:
    return Annotated[int, Meta(ge=low, le=low + width)], st.integers(low, low + width)


def text(longest: int) -> Kind:
    return Annotated[str, Meta(max_length=longest)], st.text("ab", max_size=longest)


def literal(values: list[str]) -> Kind:
    return Literal[tuple(values)], st.sampled_from(values)


LEAVES: st.SearchStrategy[Kind] = st.one_of(
    st.builds(bounded, st.integers(-3, 3), st.integers(0, 3)),
    st.builds(text, st.integers(1, 4)),
    st.builds(literal, st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True)),
    st.sampled_from([(int, st.integers(-9, 9)), (str, st.text("ab", max_size=6)), (bool, st.booleans())]),
    st.sampled_from([(float, st.floats(-9, 9)), (None, st.none())]),
)


def wrapped(inner: Kind, how: str) -> Kind:
    kind, values = inner
    match how:
        case "list":
            return list[kind], st.lists(values, max_size=3)  # type: ignore[valid-type]
        case "short":
            return Annotated[list[kind], Meta(max_length=2)], st.lists(values, max_size=2)  # type: ignore[valid-type]
        case "pair":
            return tuple[kind, kind], st.tuples(values, values)  # type: ignore[valid-type]
        case "dict":
            return dict[str, kind], st.dictionaries(st.sampled_from("xy"), values)  # type: ignore[valid-type]
        case _:
            return Optional[kind], st.none() | values  # noqa: UP045 - made at run time, of None too


KINDS = st.recursive(
    LEAVES,
    lambda inner: st.builds(wrapped, inner, st.sampled_from(["list", "short", "pair", "dict", "maybe"])),
    max_leaves=3,
)
Shape = dict[str, tuple[Kind, bool]]  # field -> (kind, required)
FIELDS = st.tuples(KINDS, st.booleans())
SHAPES: st.SearchStrategy[Shape] = st.dictionaries(st.sampled_from(["a", "b", "c"]), FIELDS, min_size=1)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Shape, Shape]:
    """An old shape, and one that came of it by a few edits."""
    old = draw(SHAPES)
    new = dict(old)
    for name in draw(st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=2)):
        if name in new and draw(st.booleans()):
            del new[name]
        else:
            new[name] = draw(FIELDS)
    assume(new)
    return old, new


def struct(base: type[Any], shape: Shape, **options: Any) -> Any:
    kinds = {
        name: kind if needed else Union[kind, msgspec.UnsetType]  # noqa: UP007 - the type is made at run time
        for name, ((kind, _), needed) in shape.items()
    }
    defaults = {name: msgspec.UNSET for name, (_, needed) in shape.items() if not needed}
    keyed = {"key": str} if base is Event else {}
    namespace = {"__annotations__": {**keyed, **kinds}, "__module__": __name__, **defaults}
    meta: Any = type(base)
    return meta("Thing", (base,), namespace, kw_only=True, **options)


def messages(shape: Shape, kind: Any) -> st.SearchStrategy[Any]:
    required = {name: values for name, ((_, values), needed) in shape.items() if needed}
    optional = {name: values for name, ((_, values), needed) in shape.items() if not needed}
    return st.fixed_dictionaries(required, optional=optional).map(lambda values: kind(**values))


def offering(request: Any, reply: Any) -> Documents:
    class Things(Api):
        do = Operation("POST /do", request, reply)

    return Documents("things", openapi("things", "1", Things.operations_))


def readable(decode: Any, body: bytes) -> bool:
    try:
        decode(body)
    except Invalid:
        return False
    return True


@settings(max_examples=300, deadline=None)
@given(pairs(), st.data())
def test_what_old_callers_send_is_read_by_a_release_that_is_called_additive(
    pair: tuple[Shape, Shape], data: st.DataObject
) -> None:
    old, new = (struct(Input, shape, forbid_unknown_fields=True) for shape in pair)
    changes = compare(offering(old, None), offering(new, None))
    breaking = any(change.breaking for change in changes)
    event("breaking" if breaking else "additive")
    if not breaking:
        message = data.draw(messages(pair[0], old))
        assert readable(decoder_for(new), encode(message)), [str(change) for change in changes]


@settings(max_examples=300, deadline=None)
@given(pairs(), st.data())
def test_what_a_release_that_is_called_additive_answers_is_read_by_old_callers(
    pair: tuple[Shape, Shape], data: st.DataObject
) -> None:
    old, new = (struct(Message, shape) for shape in pair)
    changes = compare(offering(None, old), offering(None, new))
    breaking = any(change.breaking for change in changes)
    event("breaking" if breaking else "additive")
    if not breaking:
        message = data.draw(messages(pair[1], new))
        assert readable(decoder_for(old), encode(message)), [str(change) for change in changes]


def occurrence(shape: Shape, version: int) -> Any:
    return struct(Event, shape, subject="thing.done", version=version, key="key")


def publishing(kind: Any) -> Documents:
    return Documents("things", asyncapi=asyncapi("things", "1", [kind], []))


@settings(max_examples=300, deadline=None)
@given(pairs(), st.booleans(), st.data())
def test_events_that_are_called_additive_are_read_by_old_readers_and_stored_ones_by_new_ones(
    pair: tuple[Shape, Shape], raised: bool, data: st.DataObject
) -> None:
    old, new = occurrence(pair[0], 1), occurrence(pair[1], 2 if raised else 1)
    changes = compare(publishing(old), publishing(new))
    breaking = any(change.breaking for change in changes)
    event("breaking" if breaking else "additive")
    if breaking:
        return
    written = data.draw(messages(pair[1], lambda **values: new(key="k", **values)))
    assert readable(lambda body: decoder_for_event(old)(body, new.version_), encode(written)), list(map(str, changes))
    if not raised:
        stored = data.draw(messages(pair[0], lambda **values: old(key="k", **values)))
        assert readable(lambda body: decoder_for_event(new)(body, 1), encode(stored)), list(map(str, changes))


@settings(max_examples=150, deadline=None)
@given(SHAPES)
def test_nothing_changes_between_twins(shape: Shape) -> None:
    one, other = (struct(Message, shape) for _ in range(2))
    assert compare(offering(one, one), offering(other, other)) == ()

"""A stack is an ordered list with names: print it, insert, replace, remove."""

from __future__ import annotations

from typing import Any

import pytest

from atoll.service import Handler, Layer, Named, Request, Stack


def tracing(name: str) -> Layer:
    def layer(inner: Handler) -> Handler:
        async def handler(request: Request) -> Any:
            return f"{name}({await inner(request)})"

        return handler

    return layer


def named(name: str, why: str = "") -> Named:
    return Named(name, tracing(name), why)


STACK = Stack([named("outer", "it sees all"), named("inner")])


async def answered(stack: Stack) -> str:
    async def handler(request: Request) -> str:
        return request.name

    return str(await stack.around(handler)(Request("x", None)))


async def test_the_first_layer_is_the_outermost() -> None:
    assert await answered(STACK) == "outer(inner(x))"
    assert await answered(Stack()) == "x"


async def test_layers_are_put_in_by_name() -> None:
    assert await answered(STACK.before("inner", named("new"))) == "outer(new(inner(x)))"
    assert await answered(STACK.after("inner", named("new"))) == "outer(inner(new(x)))"
    assert await answered(STACK.before("outer", named("new"))) == "new(outer(inner(x)))"


async def test_layers_are_replaced_and_taken_out_by_name() -> None:
    assert await answered(STACK.replace("inner", tracing("other"))) == "outer(other(x))"
    assert next((one.name, one.why) for one in STACK.replace("outer", tracing("other"))) == ("outer", "it sees all")
    assert await answered(STACK.without("outer")) == "inner(x)"


async def test_a_change_makes_a_new_stack() -> None:
    STACK.without("outer")
    assert [one.name for one in STACK] == ["outer", "inner"]
    assert len(STACK) == 2


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    with pytest.raises(KeyError, match="no layer is named 'lost'; there are: outer, inner"):
        STACK.without("lost")
    with pytest.raises(KeyError, match="there are: none"):
        Stack().without("lost")


def test_two_layers_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two layers are named 'inner'"):
        STACK.after("inner", named("inner"))


def test_a_stack_prints_its_reasons() -> None:
    assert str(STACK) == "outer  it sees all\ninner"
    assert str(Stack()) == ""

"""A short campaign: one release of each kind; with ATOLL_LONG=1 as many as make a proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.rollouts.campaign import carry_out, parsed

# A busy machine makes a tail of its own in two seconds, and how slow is too slow is no matter of this one: 4 times.
SHORT = "--seed 1 --max-p99 4 --canaries 1 --blue-greens 1 --bad crash-loop --kills 1"
LONG = "--seed 2 --canaries 20 --blue-greens 20 --bad all --breaking --kills 20 --interleaved 10"


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.timeout(300)),
        pytest.param(LONG, id="long", marks=pytest.mark.timeout(7200)),
    ],
)
def test_releases_change_while_customers_order(asked: str, tmp_path: Path) -> None:
    lines = carry_out(parsed(asked.split()), tmp_path)
    assert not [str(line) for line in lines if line.wrong]

"""All that can be compared, by name."""

from __future__ import annotations

from bench.comparison.atoll import shop
from bench.comparison.candidate import Candidate
from bench.comparison.fastapi import fastapi, missing
from bench.comparison.floor import floor

CANDIDATES = {
    one.name: one
    for one in (
        Candidate("atoll", lambda folder: shop(folder, "--no-dashboard")),
        Candidate("atoll-dashboard", shop),
        Candidate("floor", floor),
        Candidate("fastapi", fastapi, missing),
    )
}

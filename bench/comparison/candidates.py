"""All that can be compared, by name."""

from __future__ import annotations

from bench.comparison.atoll import shop
from bench.comparison.candidate import Candidate
from bench.comparison.fastapi import fastapi, missing
from bench.comparison.floor import floor
from bench.comparison.go import go, missing_go
from bench.comparison.moleculer import moleculer
from bench.comparison.nameko import missing_nameko, nameko
from bench.comparison.peers import missing_peer

CANDIDATES = {
    one.name: one
    for one in (
        Candidate("atoll", lambda folder: shop(folder, "--no-dashboard")),
        Candidate("atoll-dashboard", shop),
        Candidate("floor", floor),
        Candidate("fastapi", fastapi, missing),
        Candidate("moleculer", moleculer, lambda: missing_peer("moleculer")),
        Candidate("nameko", nameko, missing_nameko),
        Candidate("go", go, missing_go),
    )
}

"""How far a group has read a log: nothing unacknowledged is ever passed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from atoll.messaging.floors import Floors, KnownIds, furthest

SUBJECTS = ["a", "b", "c"]
LOGS = st.lists(st.sampled_from(SUBJECTS), max_size=30)


@given(
    log=LOGS, acknowledged=st.sets(st.integers(1, 30)), reads=st.lists(st.sets(st.sampled_from(SUBJECTS), min_size=1))
)
def test_whatever_is_acknowledged_and_whoever_reads_what_is_open_comes_again(
    log: list[str], acknowledged: set[int], reads: list[set[str]]
) -> None:
    """Several readers with different subjects, one after the other; the last one reads everything."""
    known: dict[str, int] = {}
    done: set[int] = set()
    for subjects in [*reads, set(SUBJECTS)]:
        floors = Floors(known, sorted(subjects))
        delivered = [n for n, subject in enumerate(log, 1) if n >= floors.start and floors.deliver(subject, n)]
        wanted = {n for n, subject in enumerate(log, 1) if subject in subjects}
        assert wanted - done <= set(delivered), "what is open comes again"
        for n in sorted(acknowledged & set(delivered), reverse=True):
            floors.acknowledge(n)
            done.add(n)
        known = furthest([known, floors.all()])


def test_only_what_has_no_gap_before_it_is_passed() -> None:
    floors = Floors({}, ["a"])
    assert [floors.deliver("a", n) for n in (1, 2, 3, 4)] == [True] * 4
    floors.acknowledge(1)
    floors.acknowledge(3)
    assert floors.reached == 1
    floors.acknowledge(2)
    assert floors.reached == 3


def test_other_subjects_do_not_hold_the_place_back() -> None:
    floors = Floors({}, ["a"])
    assert not floors.deliver("b", 1)
    assert floors.reached == 1
    assert floors.all() == {"a": 1}


def test_a_subject_that_is_behind_is_read_alone_until_it_has_caught_up() -> None:
    floors = Floors({"a": 4, "b": 1}, ["a", "b"])
    assert floors.start == 2
    assert [floors.deliver(subject, n) for n, subject in enumerate("abbaab", 1)] == [
        False, True, True, False, True, True,
    ]  # fmt: skip
    assert floors.all() == {"a": 4, "b": 1}


def test_an_id_is_known_after_its_first_time() -> None:
    known = KnownIds()
    assert [known.is_new(one) for one in ("x", "y", "x")] == [True, True, False]

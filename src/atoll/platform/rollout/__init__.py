"""Moving a service from one release to another while traffic flows: strategies, analysis, and a journal that outlives us.

Its one type is `Fleet`, the port to whatever runs the instances and weighs the traffic. It must not import what
implements that port (platform.local), nor the SDK.
"""

from atoll.platform.rollout.clock import Clock, RealClock
from atoll.platform.rollout.course import Engine
from atoll.platform.rollout.fleet import Fleet, Reading
from atoll.platform.rollout.journal import FolderJournal, Journal
from atoll.platform.rollout.memory import MemoryFleet
from atoll.platform.rollout.plan import STRATEGIES, Wanted
from atoll.platform.rollout.records import Figures, Finding, Plan, Rollout
from atoll.platform.rollout.rollouts import Gate, Releases, Rollouts

__all__ = [
    "STRATEGIES",
    "Clock",
    "Engine",
    "Figures",
    "Finding",
    "Fleet",
    "FolderJournal",
    "Gate",
    "Journal",
    "MemoryFleet",
    "Plan",
    "Reading",
    "RealClock",
    "Releases",
    "Rollout",
    "Rollouts",
    "Wanted",
]

"""Whether a release may be rolled out beside the one that runs: its contracts and its migrations, and whom they would break.

Its one type is `Contract`, the folder of documents that a release keeps of itself.
It asks no service and starts nothing; it must not import what runs the system (platform.local), nor the SDK.
"""

from atoll.platform.gate.contract import Contract, Migration, Statement, read_contract, write_contract
from atoll.platform.gate.refusals import Judgement, judge, refusals, uses_of

__all__ = [
    "Contract",
    "Judgement",
    "Migration",
    "Statement",
    "judge",
    "read_contract",
    "refusals",
    "uses_of",
    "write_contract",
]

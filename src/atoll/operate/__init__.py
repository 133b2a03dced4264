"""What a person who runs a system asks and repairs, as functions: events, dead letters, projections, figures.

Its one type is `Databases`, the services' own databases, through which everything here goes (docs/adr/0010).
It must not import `serve`, `cli` or the platform; the command line calls it, and so may any page.
"""

from atoll.operate.databases import DatabaseAway, Databases
from atoll.operate.figures import Figures, backlogs, figures
from atoll.operate.letters import (
    LetterDetail,
    LetterOf,
    drop,
    drop_all,
    list_letters,
    redrive,
    redrive_all,
    show_letter,
)
from atoll.operate.passing import PassingEvent, watch
from atoll.operate.projections import (
    ProjectionView,
    RebuildFailed,
    Rebuilding,
    follow_rebuild,
    list_projection_views,
    request_rebuild,
)
from atoll.operate.republishing import Republished, republish

__all__ = [
    "DatabaseAway",
    "Databases",
    "Figures",
    "LetterDetail",
    "LetterOf",
    "PassingEvent",
    "ProjectionView",
    "RebuildFailed",
    "Rebuilding",
    "Republished",
    "backlogs",
    "drop",
    "drop_all",
    "figures",
    "follow_rebuild",
    "list_letters",
    "list_projection_views",
    "redrive",
    "redrive_all",
    "republish",
    "request_rebuild",
    "show_letter",
    "watch",
]

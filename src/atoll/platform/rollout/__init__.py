"""Moving a service from one release to another while traffic flows: strategies, analysis, and a journal that outlives us.

Its one type is `Fleet`, the port to whatever runs the instances and weighs the traffic. It must not import what
implements that port (platform.local), nor the SDK.
"""

from atoll.platform.rollout.fleet import Fleet, Reading

__all__ = ["Fleet", "Reading"]

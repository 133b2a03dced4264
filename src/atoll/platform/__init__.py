"""What runs around the services: the local platform, the gateway, rollouts, the dashboard and the publishers.

Its one type is `atoll.system.System`, the inert model that each of its rooms interprets. It imports nothing of the
rooms that live inside a service (transport, data, messaging, ...): the two meet at run time only.
"""

"""Whole systems measured in turn: Atoll's shop, what people would pick instead, and the floor.

Its one type is `Candidate`, something that can be started and asked what it confirmed. It imports nothing of the peers: they
run as processes.
"""

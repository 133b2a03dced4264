"""Atoll: typed services inside, a whole system outside. Import the rooms: ``atoll.contracts``, ``atoll.service``, ..."""

"""FastAPI, httpx, SQLAlchemy and FastStream, with an outbox and an inbox written by hand."""

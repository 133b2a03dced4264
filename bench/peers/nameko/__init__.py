"""Nameko on RabbitMQ, with an outbox written by hand."""

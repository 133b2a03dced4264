"""What a service's account may do at NATS (https://docs.nats.io/running-a-nats-service/configuration/securing_nats/authorization).

It publishes its own events and no others', and hears only what is sent to its own inboxes. Who reads events works through the
API of the system's stream, where NATS cannot tell one group's consumers, or one subject, from another: who reads anything could
read everything, could take the place of another reader, and could have what is stored be stored again as it is (inboxes know it
then); none of that makes an event that its publisher did not make. Changing or deleting the stream is nobody's right.
"""

from __future__ import annotations

from atoll.platform.local.accounts import Account


def user(account: Account, system: str) -> dict[str, object]:
    """The account as NATS's configuration wants it."""
    found: dict[str, object] = {"user": account.user, "password": account.password}
    if account.rights is not None:
        stream = f"{system}-events"
        published = [f"{system}.*.{subject}" for subject in account.rights.publishes]
        reading = _reading(stream) if account.rights.consumes else []
        found["permissions"] = {
            "publish": {"allow": [*published, f"$JS.API.STREAM.CREATE.{stream}", *reading]},
            "subscribe": {"allow": [f"_INBOX.{account.user}.>"]},
        }
    return found


def _reading(stream: str) -> list[str]:
    api = "$JS.API.CONSUMER"
    return [
        f"{api}.LIST.{stream}",
        f"{api}.INFO.{stream}.*",
        f"{api}.CREATE.{stream}.>",
        f"{api}.DURABLE.CREATE.{stream}.*",
        f"{api}.DELETE.{stream}.*",
        f"{api}.MSG.NEXT.{stream}.*",
        f"$JS.ACK.{stream}.>",
    ]

"""Signatures of webhooks, by the example of the standard and by what is not right."""

from __future__ import annotations

import base64
import json
import time

import pytest

from quantumlayer.webhooks import BadSignature, sign, verify
from tests.workers.observers.receiver import receiver
from workers.observers.sending import Sender

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
EVENT = {
    "id": "w.workflow.completed.1",
    "type": "dev.quantumlayer.workflow.completed.v1",
    "subject": "ql.evt.default.w.workflow.completed.1",
    "data": {"grade": "A"},
}
BODY = json.dumps(EVENT).encode()


def headers(at: float | None = None, body: bytes = BODY, secret: str = SECRET, id_: str = "msg_1") -> dict[str, str]:
    sent = int(time.time() if at is None else at)
    return {"Webhook-Id": id_, "Webhook-Timestamp": str(sent), "Webhook-Signature": sign(id_, sent, body, secret)}


def test_the_standard_s_own_example() -> None:
    wanted = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', SECRET) == wanted


def test_what_is_signed_just_now_is_the_event() -> None:
    assert verify(BODY, headers(), SECRET).data == {"grade": "A"}
    rotated = headers()
    rotated["Webhook-Signature"] = f"v1a,x v1,AAAA {rotated['Webhook-Signature']}"
    assert verify(BODY.decode(), rotated, SECRET).outcome == "completed"


async def test_what_a_factory_sends_is_what_is_verified() -> None:
    secrets = [b"k" * 32, b"an older secret"]
    sender = Sender(private=True)
    async with receiver() as inbox:
        assert (await sender.send(f"{inbox.url}/ok", "w:workflow:completed:1", BODY, secrets)).status == 204
        (came,) = inbox.calls
    await sender.close()
    for secret in secrets:
        told = verify(came.body, came.headers, "whsec_" + base64.b64encode(secret).decode())
        assert (told.id, told.data) == (EVENT["id"], {"grade": "A"})
    with pytest.raises(BadSignature):
        verify(came.body, came.headers, OTHER)


OTHER = "whsec_" + base64.b64encode(b"another secret").decode()


@pytest.mark.parametrize(
    ("body", "given"),
    [
        (BODY + b" ", headers()),
        (BODY, headers(secret=OTHER)),
        (BODY, headers(time.time() - 302)),
        (BODY, headers(time.time() + 900)),
        (BODY, {**headers(), "Webhook-Id": "msg_2"}),
        (BODY, {**headers(), "Webhook-Timestamp": "soon"}),
        (BODY, {**headers(), "Webhook-Timestamp": "9" * 30}),
        (BODY, {**headers(), "Webhook-Signature": ""}),
        (BODY, {**headers(), "Webhook-Signature": "v1,\u00e9"}),
        (BODY, {}),
    ],
)
def test_whatever_else_comes_is_refused(body: bytes, given: dict[str, str]) -> None:
    with pytest.raises(BadSignature):
        verify(body, given, SECRET)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_!!"])
def test_a_secret_that_is_none_signs_nothing(secret: str) -> None:
    with pytest.raises(BadSignature):
        sign("a", 1, b"", secret)

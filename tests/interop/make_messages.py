#!/usr/bin/env python3
"""Makes tests/vectors/kdc-messages.json anew: every message of docs/formats/kdc-mail.md §7, §9 and §12, and some that are none.

    make_messages.py FILE

Every octet comes from a hash, so the same file is made each time. Shares no code with the product.
"""

import hashlib
import hmac
import json
import sys

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import kdc_mail as k
import make_vectors as v

REALM = "example.org"
LABELS = {purpose: f"GatewaySecure/kdc/{purpose}/1".encode() for purpose in ("ticket", "reply", "challenge")}
ISSUED, CHALLENGE_UNTIL, EXPIRES = b"20260301120000Z", b"20260301120100Z", b"20260308120000Z"

m = v.Maker("messages")
alice, bob = m.draw(16, "alice"), m.draw(16, "bob")
alices_key, bobs_key, session_key = m.draw(32, "alice's key"), m.draw(32, "bob's key"), m.draw(32, "K_S")
commitment, nonce = m.draw(32, "commitment"), m.draw(16, "nonce")
realm_key, alices_card = m.key("the realm"), m.key("alice's card")
ALICE, BOB = "alice@example.org", "bob@example.org"


def time_(octets):
    return k.tlv(0x18, octets)


def context_of(number, *content):
    return k.tlv(0xA0 | number, *content)


def envelope(purpose, context, r):
    """§12, to Alice's card."""
    ephemeral = m.key(f"ephemeral {purpose}")
    point, holder = k.point_of(ephemeral.public_key()), alices_card.public_key()
    wrapped = keywrap.aes_key_wrap(k.envelope_key(ephemeral.exchange(ec.ECDH(), holder), point, k.point_of(holder)), r)
    return k.sequence(k.octets(point), k.octets(wrapped), k.octets(m.sign(realm_key, LABELS[purpose] + context + point + wrapped)))


def challenge_context(kvno=3):
    return k.sequence(
        k.integer(1), k.utf8(REALM), k.octets(alice), k.integer(kvno), time_(CHALLENGE_UNTIL), k.octets(m.draw(16, "challenge id")),
        k.octets(m.draw(32, "cookie")))


def ticket():
    context = k.sequence(
        k.integer(1), k.utf8(REALM), k.sequence(k.octets(alice), k.utf8(ALICE)), k.sequence(k.octets(bob), k.utf8(BOB)), k.integer(2),
        time_(ISSUED), time_(EXPIRES), k.octets(m.draw(16, "ticket id")), k.tlv(0x0A, b"\x01"), k.ID_AES256_WRAP, k.ID_AES256_GCM,
        k.octets(commitment))
    wrapped = keywrap.aes_key_wrap(k.key_encryption_key(bobs_key, LABELS["ticket"], context), session_key)
    return k.sequence(context, k.octets(wrapped))


def request(kek, recipients=(BOB,), evidence=1, nonce_=nonce, version=1):
    body = context_of(1, k.sequence(
        k.integer(version), challenge_context(), k.octets(nonce_), k.utf8(ALICE), k.sequence(*(k.utf8(r) for r in recipients)),
        k.octets(commitment), k.tlv(0x0A, bytes([evidence]))))
    return k.sequence(body, k.octets(hmac.digest(kek, body, "sha256")))


def exchange(kek):
    body = context_of(2, k.sequence(k.integer(1), challenge_context(), ticket()))
    return k.sequence(body, k.octets(hmac.digest(kek, body, "sha256")))


def reply(kek_of, request_, more=lambda context: b""):
    context = k.sequence(
        k.integer(1), k.utf8(REALM), k.octets(alice), k.integer(3), time_(ISSUED), k.octets(m.draw(16, "reply id")),
        k.octets(hashlib.sha256(request_).digest()))
    tickets = k.sequence(ticket())
    plain = k.sequence(
        k.integer(1), time_(ISSUED), k.octets(session_key), k.octets(nonce), k.sequence(k.utf8(BOB)), k.octets(commitment),
        k.sequence(k.octets(m.draw(16, "ticket id"))))
    sealed = AESGCM(kek_of(context)).encrypt(bytes(12), plain, tickets)
    return context_of(1, k.sequence(k.integer(1), context, k.octets(sealed), tickets, more(context)))


def refusal(number, *fields):
    return context_of(number, k.sequence(*(k.utf8(f) for f in fields)))


def main():
    slot_kek = k.key_encryption_key(alices_key, LABELS["challenge"], challenge_context())
    asked = request(slot_kek)
    challenge_r, reply_r = m.draw(32, "R of the challenge"), m.draw(32, "R of the reply")
    card_kek = k.envelope_kek(LABELS["challenge"], challenge_context(), challenge_r)
    answer = reply(lambda c: k.key_encryption_key(alices_key, LABELS["reply"], c), asked)
    enveloped = reply(
        lambda c: k.envelope_kek(LABELS["reply"], c, reply_r), request(card_kek), lambda c: context_of(0, envelope("reply", c, reply_r)))
    good = {
        "challenge-request": ("ChallengeRequest", k.sequence(k.integer(1), k.utf8(REALM), k.octets(alice))),
        "challenge": ("Answer", context_of(0, challenge_context())),
        "challenge-enveloped": ("Answer", context_of(5, k.sequence(challenge_context(), envelope("challenge", challenge_context(), challenge_r)))),
        "ticket-request": ("Request", asked),
        "ticket-request-of-a-card-without-slot": ("Request", request(card_kek)),
        "issued": ("Answer", answer),
        "issued-enveloped": ("Answer", enveloped),
        "exchange-request": ("Request", exchange(slot_kek)),
        "exchanged": ("Answer", context_of(2, ticket())),
        "refused": ("Answer", refusal(3, "The requester is suspended since 2026-02-01 (on leave).")),
        "refused-about": ("Answer", refusal(3, f"{BOB} has no card yet.", BOB)),
        "unavailable": ("Answer", refusal(4, "The KDC is overloaded.")),
        "card-identity": ("CardIdentity", k.sequence(k.integer(1), k.utf8(REALM), k.octets(alice), k.integer(3), k.utf8(ALICE))),
    }
    bad = {
        "an-octet-too-many": ("ChallengeRequest", good["challenge-request"][1] + b"\0"),
        "another-version": ("Request", request(slot_kek, version=2)),
        "a-length-that-is-not-der": ("ChallengeRequest", b"\x30\x81" + good["challenge-request"][1][1:]),
        "a-nonce-too-short": ("Request", request(slot_kek, nonce_=nonce[:15])),
        "no-recipient": ("Request", request(slot_kek, recipients=())),
        "1001-recipients": ("Request", request(slot_kek, recipients=[f"u{i}@example.org" for i in range(1001)])),
        "a-recipient-that-is-no-address": ("Request", request(slot_kek, recipients=["bob"])),
        "unknown-evidence": ("Request", request(slot_kek, evidence=5)),
        "kvno-zero": ("Answer", context_of(0, challenge_context(kvno=0))),
        "an-unknown-answer": ("Answer", refusal(6, "What?")),
        "a-realm-in-capitals": ("ChallengeRequest", k.sequence(k.integer(1), k.utf8("Example.ORG"), k.octets(alice))),
        "an-envelope-without-its-signature": ("Answer", context_of(5, k.sequence(challenge_context(), k.sequence(k.octets(bytes(65)), k.octets(bytes(40)))))),
        "a-request-without-its-mac": ("Request", k.sequence(k.parse(asked, 0)[0].children()[0].whole)),
    }
    facts = {
        "alice": alice.hex(), "alicesKey": alices_key.hex(), "alicesCard": alices_card.private_numbers().private_value.to_bytes(32, "big").hex(),
        "realmKey": k.point_of(realm_key.public_key()).hex(), "bobsKey": bobs_key.hex(), "sessionKey": session_key.hex(), "nonce": nonce.hex(),
        "commitment": commitment.hex(),
        "good": {name: {"type": kind, "octets": octets.hex()} for name, (kind, octets) in good.items()},
        "bad": {name: {"type": kind, "octets": octets.hex()} for name, (kind, octets) in bad.items()},
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(facts, file, indent=1)
        file.write("\n")
    print(f"{len(good)} messages, {len(bad)} that are none")


if __name__ == "__main__":
    main()

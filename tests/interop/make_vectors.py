#!/usr/bin/env python3
"""Makes tests/vectors/kdc anew: mails with one fault each, from docs/formats/kdc-mail.md by way of kdc_mail.py.

    make_vectors.py FOLDER

Every octet comes from a hash of the vector's name, so the same files are made each time.
"""

import base64
import hashlib
import json
import os
import sys

from cryptography.hazmat.primitives import keywrap
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import kdc_mail as k

REALM = "example.org"
KVNO = 3
DATES = (b"20260301120000Z", b"20260308120000Z")
CRLF = b"\r\n"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256 (SP 800-186 §3.2.1.3)


class Maker:
    """One vector: what it is made of, each piece open to a fault."""

    def __init__(self, name):
        self.name, self.counter = name, 0
        self.master_key, self.session_key = self.draw(32, "bob's master key, for all"), self.draw(32)
        self.bob, self.alice, self.carol = (self.draw(16, who) for who in ("bob", "alice", "carol"))
        self.nonce, self.ticket_id = self.draw(12), self.draw(16)
        self.text = b"Hello Bob," + CRLF + CRLF + b"the meeting is at nine." + CRLF

    def draw(self, count, fixed=None):
        self.counter += 1
        seed = fixed or f"{self.name} {self.counter}"
        return hashlib.shake_256(b"GatewaySecure test vector " + seed.encode()).digest(count)

    def random_line(self):
        return b"GatewaySecure-Random: " + base64.b64encode(self.draw(32)) + CRLF

    def entity(self, sender=b"From: Alice <alice@example.org>" + CRLF, body=None,
               content_type=b"Content-Type: text/plain; charset=utf-8; hp=\"cipher\"" + CRLF):
        return (self.random_line() + sender + b"To: bob@example.org" + CRLF + b"Subject: The meeting" + CRLF
                + b"Date: Sun, 01 Mar 2026 12:00:00 +0000" + CRLF + b"Message-ID: <vector@example.org>" + CRLF
                + b"MIME-Version: 1.0" + CRLF + content_type
                + b"HP-Outer: Subject: [...]" + CRLF + CRLF + (self.text if body is None else body))

    def context(self, entity, recipient=None, address="bob@example.org", kvno=KVNO, evidence=2, sender="alice@example.org", ticket_id=None):
        return k.sequence(
            k.integer(1), k.utf8(REALM), k.sequence(k.octets(self.alice), k.utf8(sender)),
            k.sequence(k.octets(recipient or self.bob), k.utf8(address)), k.integer(kvno),
            k.tlv(0x18, DATES[0]), k.tlv(0x18, DATES[1]), k.octets(ticket_id or self.ticket_id), k.tlv(0x0A, bytes([evidence])),
            k.ID_AES256_WRAP, k.ID_AES256_GCM, k.octets(hashlib.sha256(entity).digest()))

    def recipient_info(self, context, wrapped=None, identifier=None, key=None, shown=None):
        kek = k.key_encryption_key(key or self.master_key, k.TICKET_LABEL, context)
        wrapped = wrapped or keywrap.aes_key_wrap(kek, self.session_key)
        return k.tlv(
            0xA2, k.integer(4), k.sequence(k.octets(identifier or self.ticket_id), k.sequence(k.ID_TICKET_CONTEXT, shown or context)),
            k.sequence(k.ID_AES256_WRAP), k.octets(wrapped))

    def key(self, fixed):
        """A private key of P-256 from a name."""
        scalar = int.from_bytes(self.draw(32, fixed), "big") % (ORDER - 1) + 1
        return ec.derive_private_key(scalar, ec.SECP256R1())

    def envelope(self, context, r, holder=None, realm=None, signed=None):
        """R on its way to a card without an AES slot, §12."""
        ephemeral = self.key(f"{self.name} ephemeral")
        holder, point = holder or self.key("bob's card").public_key(), k.point_of(ephemeral.public_key())
        wrapped = keywrap.aes_key_wrap(k.envelope_key(ephemeral.exchange(ec.ECDH(), holder), point, k.point_of(holder)), r)
        signature = self.sign(realm or self.key("the realm"), k.TICKET_LABEL + (signed or context) + point + wrapped)
        return k.sequence(k.octets(point), k.octets(wrapped), k.octets(signature))

    def sign(self, key, data):
        """ECDSA with a nonce from a hash, so that the octets are the same each time; for vectors alone."""
        d, digest = key.private_numbers().private_value, int.from_bytes(hashlib.sha256(data).digest(), "big")
        nonce = self.key(f"nonce {d} {digest}")
        r = nonce.public_key().public_numbers().x % ORDER
        s = pow(nonce.private_numbers().private_value, -1, ORDER) * (digest + r * d) % ORDER
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def enveloped_info(self, context, shown=None, envelope=None, **fault):
        r = self.draw(32, f"{self.name} R")
        wrapped = keywrap.aes_key_wrap(k.envelope_kek(k.TICKET_LABEL, context, r), self.session_key)
        pair = k.sequence(shown or context, envelope or self.envelope(context, r, **fault))
        return k.tlv(
            0xA2, k.integer(4), k.sequence(k.octets(self.ticket_id), k.sequence(k.ID_ENVELOPED_CONTEXT, pair)),
            k.sequence(k.ID_AES256_WRAP), k.octets(wrapped))

    def cms(self, entity, recipients, change=lambda sealed: sealed, nonce=None):
        sealed = change(AESGCM(self.session_key).encrypt(self.nonce, entity, None))
        content = k.sequence(
            k.ID_DATA, k.sequence(k.ID_AES256_GCM, k.sequence(k.octets(nonce or self.nonce), k.integer(16))), k.tlv(0x80, sealed[:-16]))
        return k.sequence(
            k.ID_AUTH_ENVELOPED,
            k.tlv(0xA0, k.sequence(k.integer(0), k.tlv(0x31, *recipients), content, k.octets(sealed[-16:]))))

    def ber(self, entity, recipients):
        """The same with indefinite lengths and the ciphertext in pieces, as streaming writers make it."""
        sealed = AESGCM(self.session_key).encrypt(self.nonce, entity, None)
        pieces = b"".join(k.octets(sealed[:-16][i:i + 1000]) for i in range(0, len(sealed) - 16, 1000))
        algorithm = k.sequence(k.ID_AES256_GCM, k.sequence(k.octets(self.nonce), k.integer(16)))
        open_, close = b"\x80", b"\0\0"
        content = b"\x30" + open_ + k.ID_DATA + algorithm + b"\xa0" + open_ + pieces + close + close
        inner = b"\x30" + open_ + k.integer(0) + k.tlv(0x31, *recipients) + content + k.octets(sealed[-16:]) + close
        return b"\x30" + open_ + k.ID_AUTH_ENVELOPED + b"\xa0" + open_ + inner + close + close


def headers(extra):
    return (b"Received: from mail.example.org by gateway.example.org; Sun, 01 Mar 2026 12:00:01 +0000" + CRLF
            + b"From: Alice <alice@example.org>" + CRLF + b"To: bob@example.org" + CRLF + b"Subject: [...]" + CRLF
            + b"Date: Sun, 01 Mar 2026 12:00:00 +0000" + CRLF + b"Message-ID: <vector@example.org>" + CRLF + b"MIME-Version: 1.0" + CRLF + extra)


def part(cms, media_type=k.MEDIA_TYPE.encode(), name=b"mail.kdc"):
    return (b"Content-Type: " + media_type + b"; name=\"" + name + b"\"" + CRLF + b"Content-Transfer-Encoding: base64" + CRLF
            + b"Content-Disposition: attachment; filename=\"" + name + b"\"" + CRLF + CRLF
            + base64.encodebytes(cms).replace(b"\n", CRLF))


def whole(cms):
    return headers(part(cms))


def in_mixed(body):
    return headers(
        b"Content-Type: multipart/mixed; boundary=\"b\"" + CRLF + CRLF + b"--b" + CRLF + b"Content-Type: text/plain" + CRLF + CRLF
        + b"This mail is protected. Open it with your card." + CRLF + b"--b" + CRLF + body + b"--b--" + CRLF)


def flip(octets, at, bit=1):
    return octets[:at] + bytes([octets[at] ^ bit]) + octets[at + 1:]


VECTORS = []


def vector(expected, description):
    def register(function):
        VECTORS.append((function.__name__.replace("_", "-"), expected, description, function))
        return function
    return register


def plain(m, entity=None, wrap=whole, **fault):
    entity = entity or m.entity()
    return wrap(m.cms(entity, [m.recipient_info(m.context(entity))], **fault)), entity


@vector("opened", "A mail for one recipient.")
def one_recipient(m):
    return plain(m)


@vector("opened", "Three recipients; the reader's ticket stands last.")
def several_recipients(m):
    e = m.entity()
    others = [m.recipient_info(m.context(e, recipient=m.draw(16), address=f"{n}@example.org", ticket_id=(t := m.draw(16))), identifier=t, key=m.draw(32))
              for n in ("carol", "dave")]
    return whole(m.cms(e, others + [m.recipient_info(m.context(e))])), e


@vector("opened", "An attachment with octets above 127 inside.")
def eight_bit_attachment(m):
    body = (b"--i" + CRLF + b"Content-Type: application/octet-stream" + CRLF + b"Content-Transfer-Encoding: binary" + CRLF + CRLF
            + bytes(range(256)).replace(b"\r", b"").replace(b"\n", b"") + CRLF + b"--i--" + CRLF)
    return plain(m, m.entity(body=body, content_type=b"Content-Type: multipart/mixed; boundary=i; hp=\"cipher\"" + CRLF))


@vector("opened", "An empty body.")
def empty_body(m):
    return plain(m, m.entity(body=b""))


@vector("opened", "100 KB.")
def large(m):
    return plain(m, m.entity(body=b"".join(b"line %d of many" % i + CRLF for i in range(6000))))


@vector("opened", "Indefinite lengths, and the ciphertext in pieces.")
def ber_indefinite(m):
    e = m.entity()
    return whole(m.ber(e, [m.recipient_info(m.context(e))])), e


@vector("opened", "A server turned the part into an attachment of another type.")
def retyped_attachment(m):
    return plain(m, wrap=lambda c: in_mixed(part(c, b"application/octet-stream", b"unnamed.bin")))


@vector("opened", "The part stands behind a notice.")
def behind_a_notice(m):
    return plain(m, wrap=lambda c: in_mixed(part(c)))


@vector("opened", "The mail was forwarded as an attachment.")
def forwarded(m):
    return plain(m, wrap=lambda c: in_mixed(b"Content-Type: message/rfc822" + CRLF + CRLF + whole(c) + CRLF))


@vector("opened", "The sender was claimed by a listed mail server, not proved.")
def evidence_relay(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e, evidence=3))])), e


@vector("opened", "From outside the realm; what the gateway found out stands first, below the random line.")
def evidence_outside(m):
    found = b"Authentication-Results: gateway.example.org;" + CRLF + b"\tsmime=pass reason=\"Signed by alice@example.org.\"" + CRLF
    e = m.entity(sender=found + b"From: Alice <alice@example.org>" + CRLF)
    return whole(m.cms(e, [m.recipient_info(m.context(e, evidence=4))])), e


@vector("opened", "The address in the context is spelled in other letters.")
def sender_in_capitals(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e, sender="ALICE@Example.ORG"))])), e


@vector("no-key", "For somebody else's card.")
def other_principal(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e, recipient=m.carol, address="carol@example.org"))])), e


@vector("old-card", "For the card that the reader had before.")
def old_kvno(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e, kvno=KVNO - 1))])), e


@vector("damaged", "One bit of the context's expiry was changed.")
def context_changed(m):
    e = m.entity()
    c = m.context(e)
    return whole(m.cms(e, [m.recipient_info(c, shown=c.replace(DATES[1], b"20270308120000Z"))])), e


@vector("damaged", "The sender's address in the context was changed, and the mail's From with it.")
def context_sender_changed(m):
    e = m.entity()
    c = m.context(e)
    return whole(m.cms(e, [m.recipient_info(c, shown=c.replace(b"alice@example.org", b"elice@example.org"))])), e


@vector("damaged", "The ticket wraps its key under somebody else's master key.")
def wrapped_for_another(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e), key=m.draw(32))])), e


@vector("damaged", "One bit of the ciphertext was changed.")
def ciphertext_changed(m):
    return plain(m, change=lambda s: flip(s, len(s) // 2))


@vector("damaged", "One bit of the tag was changed.")
def tag_changed(m):
    return plain(m, change=lambda s: flip(s, len(s) - 1))


@vector("damaged", "The nonce was changed.")
def nonce_changed(m):
    return plain(m, nonce=flip(m.nonce, 0))


@vector("damaged", "Another recipient, who knows the session key, put his own text beside the reader's ticket.")
def foreign_text(m):
    promised, e = m.entity(), m.entity(body=b"Hello Bob," + CRLF + CRLF + b"pay at once." + CRLF)
    return whole(m.cms(e, [m.recipient_info(m.context(promised))])), e


@vector("damaged", "The container ends in the middle.")
def truncated(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e))])[:-40]), e


@vector("wrong-sender", "The From inside is not the sender that the ticket names.")
def other_from(m):
    return plain(m, m.entity(sender=b"From: Mallory <mallory@example.org>" + CRLF))


@vector("wrong-sender", "Two From fields.")
def two_from_fields(m):
    return plain(m, m.entity(sender=b"From: alice@example.org" + CRLF + b"From: mallory@example.org" + CRLF))


@vector("wrong-sender", "One From field with two addresses.")
def two_addresses(m):
    return plain(m, m.entity(sender=b"From: alice@example.org, mallory@example.org" + CRLF))


@vector("wrong-sender", "The right address is only the display name of another.")
def address_as_display_name(m):
    return plain(m, m.entity(sender=b"From: \"alice@example.org\" <mallory@example.org>" + CRLF))


@vector("wrong-sender", "No From at all.")
def no_from(m):
    return plain(m, m.entity(sender=b""))


@vector("no-key", "The key identifier is not the context's ticket id.")
def identifier_of_another(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e), identifier=m.draw(16))])), e


@vector("no-key", "A length in the context is written with an octet too many, so it is not DER.")
def context_not_der(m):
    e = m.entity()
    c = m.context(e)
    longer = b"\x30\x82" + (len(c) - 3).to_bytes(2, "big") + c[3:]
    return whole(m.cms(e, [m.recipient_info(longer)])), e


def to_card(m, e, context=None, **fault):
    return whole(m.cms(e, [m.enveloped_info(context or m.context(e), **fault)])), e


@vector("opened", "For a card without an AES slot.")
def ecdh(m):
    return to_card(m, m.entity())


@vector("opened", "Recipients of both kinds; the reader's card has no AES slot.")
def ecdh_beside_aes(m):
    e = m.entity()
    t = m.draw(16)
    carols = m.recipient_info(m.context(e, recipient=m.carol, address="carol@example.org", ticket_id=t), identifier=t, key=m.draw(32))
    return whole(m.cms(e, [carols, m.enveloped_info(m.context(e))])), e


@vector("damaged", "Forged for a card without an AES slot: anybody can encrypt to its public key, but has no signature of the realm.")
def ecdh_without_signature(m):
    e = m.entity()
    return whole(m.cms(e, [m.recipient_info(m.context(e), key=m.draw(32))])), e


@vector("damaged", "Forged for a card without an AES slot, with a signature of another realm's key.")
def ecdh_signed_by_another(m):
    return to_card(m, m.entity(), realm=m.key("another realm"))


@vector("damaged", "The realm's signature is of another ticket's context.")
def ecdh_signature_of_another(m):
    e = m.entity()
    return to_card(m, e, signed=m.context(e, sender="mallory@example.org"))


@vector("damaged", "The sender's address in a signed context was changed, and the mail's From with it.")
def ecdh_context_changed(m):
    e = m.entity(sender=b"From: elice@example.org" + CRLF)
    c = m.context(e)
    return to_card(m, e, c, shown=c.replace(b"alice@example.org", b"elice@example.org"))


@vector("damaged", "Signed by the realm, and wrapped for another card.")
def ecdh_for_another_card(m):
    return to_card(m, m.entity(), holder=m.key("carol's card").public_key())


@vector("damaged", "Another recipient put his own text beside the reader's signed ticket.")
def ecdh_foreign_text(m):
    promised, e = m.entity(), m.entity(body=b"Hello Bob," + CRLF + CRLF + b"pay at once." + CRLF)
    return to_card(m, e, m.context(promised))


@vector("damaged", "A ticket with an envelope for a card that has an AES slot.")
def aes_with_envelope(m):
    return to_card(m, m.entity())


@vector("not-protected", "An ordinary mail.")
def ordinary(m):
    return headers(b"Content-Type: text/plain" + CRLF + CRLF + m.text), b""


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, expected, description, function in VECTORS:
        m = Maker(name)
        mail, entity = function(m)
        facts = {
            "description": description, "expected": expected, "realm": REALM, "kvno": KVNO,
        }
        facts |= ({"privateKey": m.key("bob's card").private_numbers().private_value.to_bytes(32, "big").hex(),
                   "realmKey": k.point_of(m.key("the realm").public_key()).hex()}
                  if name.startswith("ecdh") else {"masterKey": m.master_key.hex()})
        facts["principal"] = m.bob.hex()
        if expected == "opened":
            facts |= {"sha256": hashlib.sha256(entity).hexdigest(), "ticketId": m.ticket_id.hex(),
                      "kek": kek_of(m, mail).hex(), "sender": "alice@example.org", "issuedAt": "2026-03-01T12:00:00Z"}
        with open(os.path.join(folder, name + ".eml"), "wb") as file:
            file.write(mail)
        with open(os.path.join(folder, name + ".json"), "w", encoding="utf-8") as file:
            json.dump(facts, file, indent=2)
            file.write("\n")
    print(f"{len(VECTORS)} vectors")


def kek_of(m, mail):
    """What openssl needs: the key of the reader's own ticket."""
    import email
    import email.policy
    message = email.message_from_bytes(mail, policy=email.policy.default)
    for recipient in k.container(k.protected_part(message))[0]:
        attribute, value = recipient.children()[1].children()[1].children()
        enveloped = attribute.whole == k.ID_ENVELOPED_CONTEXT
        context = (value.children()[0] if enveloped else value).whole
        if k.Context(context).recipient[0] == m.bob:
            return (k.envelope_kek(k.TICKET_LABEL, context, m.draw(32, f"{m.name} R")) if enveloped
                    else k.key_encryption_key(m.master_key, k.TICKET_LABEL, context))
    raise AssertionError(m.name)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""A second implementation of KDC mail, written from docs/formats/kdc-mail.md alone.

    kdc_mail.py open FILE.eml --master-key HEX --principal HEX --realm example.org --kvno 1
    kdc_mail.py open FILE.eml --private-key HEX --realm-key HEX --principal HEX --realm example.org --kvno 1     (a card without an AES slot)
    kdc_mail.py seal ENTITY.eml --master-key HEX --realm example.org --kvno 1 \\
                --sender HEX:alice@example.org --recipient HEX:bob@example.org

open prints the inner entity and exits with 0, or prints what is wrong on stderr and exits with 1.
seal plays KDC and sender at once: it prints a mail for the one recipient whose master key it is given.
It exists to show that the page is enough; it is no product, and it takes keys on its command line.
"""

import argparse
import base64
import datetime
import email
import email.parser
import email.policy
import email.utils
import hashlib
import os
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

TICKET_LABEL = b"GatewaySecure/kdc/ticket/1"
MEDIA_TYPE = "application/vnd.gatewaysecure.kdc-mime"
ID_DATA = bytes.fromhex("06092a864886f70d010701")
ID_AUTH_ENVELOPED = bytes.fromhex("060b2a864886f70d0109100117")
ID_AES256_WRAP = bytes.fromhex("060960864801650304012d")
ID_AES256_GCM = bytes.fromhex("060960864801650304012e")
ID_TICKET_CONTEXT = bytes.fromhex("0615" + "6981b3fb95ebe5939aa995be81dab9c5dbabb87b01")
ID_ENVELOPED_CONTEXT = ID_TICKET_CONTEXT[:-1] + b"\x02"
ECDH_LABEL = b"GatewaySecure/kdc/ecdh/1"
EVIDENCE = {1: "proved with the sender's card", 2: "the gateway authenticated this mailbox", 3: "claimed, not proved",
            4: "came from outside, says the gateway"}


class Refused(Exception):
    """The mail is not released, with the reason."""


# --- ASN.1: BER in, DER out ---------------------------------------------------------------------------------------------

class Element:
    """One TLV: tag octet, content octets, and the whole as it stood."""

    def __init__(self, tag, content, whole):
        self.tag, self.content, self.whole = tag, content, whole

    def children(self):
        found, at = [], 0
        while at < len(self.content):
            element, at = parse(self.content, at)
            found.append(element)
        return found

    def der(self):
        """The same value, encoded anew by DER."""
        return tlv(self.tag, *(c.der() for c in self.children())) if self.tag & 0x20 else tlv(self.tag, self.content)

    def octets(self):
        """An OCTET STRING's value, put together where it is constructed (X.690 8.7)."""
        return b"".join(c.octets() for c in self.children()) if self.tag & 0x20 else self.content


def parse(data, at):
    start, tag = at, data[at]
    if tag & 0x1F == 0x1F:
        raise Refused("a tag number this format does not use")
    length, at = data[at + 1], at + 2
    if length == 0x80:
        begin = at
        while data[at:at + 2] != b"\0\0":
            _, at = parse(data, at)
        return Element(tag, data[begin:at], data[start:at + 2]), at + 2
    if length > 0x80:
        count = length & 0x7F
        length, at = int.from_bytes(data[at:at + count], "big"), at + count
    if at + length > len(data):
        raise Refused("the container is cut short")
    return Element(tag, data[at:at + length], data[start:at + length]), at + length


def tlv(tag, *parts):
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes([tag, len(content)]) + content
    octets = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts):
    return tlv(0x30, *parts)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def utf8(text):
    return tlv(0x0C, text.encode())


def octets(value):
    return tlv(0x04, value)


def time_of(moment):
    return tlv(0x18, moment.strftime("%Y%m%d%H%M%SZ").encode())


# --- Contexts and derivation --------------------------------------------------------------------------------------------

class Context:
    """A TicketContext, §3."""

    def __init__(self, der):
        top, end = parse(der, 0)
        fields = top.children()
        if top.tag != 0x30 or end != len(der) or len(fields) != 12 or top.der() != der:
            raise Refused("the context is not a TicketContext")
        tags = [0x02, 0x0C, 0x30, 0x30, 0x02, 0x18, 0x18, 0x04, 0x0A, 0x06, 0x06, 0x04]
        if [f.tag for f in fields] != tags or fields[0].content != b"\x01":
            raise Refused("the context is of another version")
        self.realm = fields[1].content.decode()
        self.sender, self.recipient = ([p.content for p in f.children()] for f in fields[2:4])
        self.kvno = int.from_bytes(fields[4].content, "big")
        self.issued_at = fields[5].content.decode()
        self.ticket_id = fields[7].content
        self.evidence = fields[8].content[0]
        self.commitment = fields[11].content
        if fields[9].whole != ID_AES256_WRAP or fields[10].whole != ID_AES256_GCM:
            raise Refused("the context names other algorithms")
        if len(self.ticket_id) != 16 or len(self.commitment) != 32 or self.evidence not in EVIDENCE:
            raise Refused("a field of the context has a wrong size or value")


def key_encryption_key(master_key, label, der):
    block = hashlib.sha256(label + der).digest()
    decryptor = Cipher(algorithms.AES(master_key), modes.CBC(bytes(16))).decryptor()
    r = decryptor.update(block) + decryptor.finalize()
    return HKDF(hashes.SHA256(), 32, salt=None, info=label).derive(r)


class SlotCard:
    """A card with an AES slot, §2."""

    def __init__(self, master_key):
        self.master_key = master_key

    def kek(self, label, context, envelope):
        if envelope is not None:
            raise Refused("the ticket is for a card without an AES slot")
        return key_encryption_key(self.master_key, label, context)


class AgreementCard:
    """A card without an AES slot, and the realm's public point that was pinned with it, §12."""

    def __init__(self, private_key, realm_point):
        self.key = ec.derive_private_key(int.from_bytes(private_key, "big"), ec.SECP256R1())
        self.realm = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), realm_point)

    def kek(self, label, context, envelope):
        if envelope is None:
            raise Refused("the ticket is not signed by the realm")
        ephemeral, wrapped, signature = (e.content for e in envelope.children())
        if (len(ephemeral), len(wrapped), len(signature)) != (65, 40, 64) or envelope.der() != envelope.whole:
            raise Refused("the envelope is not as the format wants it")
        r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        try:
            self.realm.verify(utils.encode_dss_signature(r, s), label + context + ephemeral + wrapped, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise Refused("the ticket is not signed by the realm") from None
        shared = self.key.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), ephemeral))
        try:
            return envelope_kek(label, context, keywrap.aes_key_unwrap(envelope_key(shared, ephemeral, point_of(self.key.public_key())), wrapped))
        except keywrap.InvalidUnwrap:
            raise Refused("the envelope does not open") from None


def point_of(public_key):
    numbers = public_key.public_numbers()
    return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")


def envelope_key(shared, ephemeral, holder):
    return HKDF(hashes.SHA256(), 32, salt=None, info=ECDH_LABEL + ephemeral + holder).derive(shared)


def envelope_kek(label, context, r):
    return HKDF(hashes.SHA256(), 32, salt=None, info=label + context).derive(r)


# --- Opening ------------------------------------------------------------------------------------------------------------

def protected_part(message):
    parts = [part for part in message.walk() if not part.is_multipart()]
    for part in parts:
        if part.get_content_type() == MEDIA_TYPE:
            return part.get_payload(decode=True)
    # A server may have changed the type: then the content tells.
    for part in parts:
        payload = part.get_payload(decode=True) or b""
        if payload[:1] == b"\x30" and ID_AUTH_ENVELOPED in payload[:32]:
            return payload
    raise Refused("no part of this mail is KDC mail")


def container(data):
    """Yields the recipients' fields, the nonce, the ciphertext and the tag, §5."""
    content_info, _ = parse(data, 0)
    content_type, wrapped = content_info.children()
    if content_type.whole != ID_AUTH_ENVELOPED:
        raise Refused("the container is not AuthEnvelopedData")
    version, recipients, encrypted, mac = wrapped.children()[0].children()
    if version.content != b"\0" or recipients.tag != 0x31 or mac.tag != 0x04 or len(mac.content) != 16:
        raise Refused("the container is not as the format wants it")
    content_type, algorithm, ciphertext = encrypted.children()
    name, parameters = algorithm.children()
    nonce, tag_length = parameters.children()
    if content_type.whole != ID_DATA or name.whole != ID_AES256_GCM or len(nonce.content) != 12 or tag_length.content != b"\x10":
        raise Refused("the content is not encrypted as the format wants it")
    return recipients.children(), nonce.content, ciphertext.octets(), mac.content


def open_mail(raw, card, principal, realm, kvno):
    recipients, nonce, ciphertext, tag = container(protected_part(email.message_from_bytes(raw, policy=email.policy.default)))
    for recipient in recipients:
        if recipient.tag != 0xA2:
            continue
        version, kekid, algorithm, wrapped_key = recipient.children()
        identifier, other = kekid.children()
        attribute, value = other.children()
        if version.content != b"\x04" or algorithm.whole != sequence(ID_AES256_WRAP):
            continue
        envelope = None
        if attribute.whole == ID_ENVELOPED_CONTEXT:
            value, envelope = value.children()
        elif attribute.whole != ID_TICKET_CONTEXT:
            continue
        try:
            context = Context(value.whole)
        except Refused:
            continue
        if context.realm == realm and context.recipient[0] == principal and context.ticket_id == identifier.content:
            break
    else:
        raise Refused("no ticket in it is for this principal")
    if context.kvno != kvno:
        raise Refused(f"the ticket is for key version {context.kvno}: exchange it first")
    try:
        session_key = keywrap.aes_key_unwrap(card.kek(TICKET_LABEL, value.whole, envelope), wrapped_key.content)
    except keywrap.InvalidUnwrap:
        raise Refused("the ticket does not open: context or key were changed") from None
    try:
        entity = AESGCM(session_key).decrypt(nonce, ciphertext + tag, None)
    except InvalidTag:
        raise Refused("the content was changed") from None
    if hashlib.sha256(entity).digest() != context.commitment:
        raise Refused("this text does not belong to this ticket")
    authors = email.parser.BytesHeaderParser(policy=email.policy.compat32).parsebytes(entity).get_all("From", [])
    addresses = [address for _, address in email.utils.getaddresses(authors)]
    if len(authors) != 1 or [a.lower() for a in addresses] != [context.sender[1].decode().lower()]:
        raise Refused("the From address is not the sender that the ticket names")
    print(f"from {addresses[0]} ({EVIDENCE[context.evidence]}), {context.issued_at}", file=sys.stderr)
    return entity


# --- Sealing ------------------------------------------------------------------------------------------------------------

def seal_mail(entity, master_key, realm, kvno, sender, recipient):
    entity = b"GatewaySecure-Random: " + base64.b64encode(os.urandom(32)) + b"\r\n" + entity
    now = datetime.datetime.now(datetime.timezone.utc)
    ticket_id, session_key, nonce = os.urandom(16), os.urandom(32), os.urandom(12)
    context = sequence(
        integer(1), utf8(realm), sequence(octets(sender[0]), utf8(sender[1])), sequence(octets(recipient[0]), utf8(recipient[1])),
        integer(kvno), time_of(now), time_of(now + datetime.timedelta(days=1)), octets(ticket_id), tlv(0x0A, b"\x02"),
        ID_AES256_WRAP, ID_AES256_GCM, octets(hashlib.sha256(entity).digest()))
    wrapped_key = keywrap.aes_key_wrap(key_encryption_key(master_key, TICKET_LABEL, context), session_key)
    sealed = AESGCM(session_key).encrypt(nonce, entity, None)
    recipient_info = tlv(
        0xA2, integer(4), sequence(octets(ticket_id), sequence(ID_TICKET_CONTEXT, context)), sequence(ID_AES256_WRAP),
        octets(wrapped_key))
    content = sequence(ID_DATA, sequence(ID_AES256_GCM, sequence(octets(nonce), integer(16))), tlv(0x80, sealed[:-16]))
    cms = sequence(ID_AUTH_ENVELOPED, tlv(0xA0, sequence(integer(0), tlv(0x31, recipient_info), content, octets(sealed[-16:]))))
    header = (
        f"From: {sender[1]}\r\nTo: {recipient[1]}\r\nSubject: [...]\r\nDate: {email.utils.format_datetime(now)}\r\n"
        f"Message-ID: {email.utils.make_msgid(domain='interop.example')}\r\nMIME-Version: 1.0\r\n"
        f'Content-Type: {MEDIA_TYPE}; name="mail.kdc"\r\nContent-Transfer-Encoding: base64\r\n'
        f'Content-Disposition: attachment; filename="mail.kdc"\r\n\r\n')
    return header.encode() + base64.encodebytes(cms).replace(b"\n", b"\r\n")


def party(text):
    principal, address = text.split(":", 1)
    return bytes.fromhex(principal), address


def card_of(arguments):
    if arguments.private_key:
        return AgreementCard(arguments.private_key, arguments.realm_key)
    return SlotCard(arguments.master_key)


def open_several(arguments):
    problems = 0
    for name in arguments.file:
        try:
            with open(name, "rb") as file:
                entity = open_mail(file.read(), card_of(arguments), arguments.principal, arguments.realm, arguments.kvno)
            with open(name + ".opened", "wb") as file:
                file.write(entity)
        except (Refused, IndexError, ValueError) as problem:
            print(f"{name} refused: {problem}", file=sys.stderr)
            problems += 1
    return 1 if problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["open", "seal"])
    parser.add_argument("file", nargs="+", help="open: of several, each goes to FILE.opened")
    parser.add_argument("--master-key", type=bytes.fromhex)
    parser.add_argument("--private-key", type=bytes.fromhex, help="open: of a card without an AES slot, 32 octets")
    parser.add_argument("--realm-key", type=bytes.fromhex, help="open: the realm's public point, 65 octets")
    parser.add_argument("--realm", required=True)
    parser.add_argument("--kvno", type=int, required=True)
    parser.add_argument("--principal", type=bytes.fromhex, help="open: whose card it is")
    parser.add_argument("--sender", type=party, help="seal: HEX:address")
    parser.add_argument("--recipient", type=party, help="seal: HEX:address")
    arguments = parser.parse_args()
    if len(arguments.file) > 1:
        return open_several(arguments)
    with open(arguments.file[0], "rb") as file:
        data = file.read()
    try:
        if arguments.action == "open":
            result = open_mail(data, card_of(arguments), arguments.principal, arguments.realm, arguments.kvno)
        else:
            result = seal_mail(
                data, arguments.master_key, arguments.realm, arguments.kvno, arguments.sender, arguments.recipient)
    except (Refused, IndexError, ValueError) as problem:
        print(f"refused: {problem}", file=sys.stderr)
        return 1
    sys.stdout.buffer.write(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())

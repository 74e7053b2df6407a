#!/usr/bin/env python3
"""What dkimpy and pyspf make of a mail or a client, to be compared with what the gateway makes of it.

    mail_authentication.py dkim-sign --domain D --selector S --key FILE.pem --algorithm rsa-sha256 --canonical relaxed/simple < mail
    mail_authentication.py dkim-verify --dns PORT < mail          one word for each signature: pass or fail
    mail_authentication.py arc-sign --domain D --selector S --key FILE.pem --server-id NAME < mail
    mail_authentication.py arc-verify --dns PORT < mail           one word: none, pass or fail
    mail_authentication.py spf --dns PORT < lines                 lines of "address helo sender"; one word for each

The DNS is asked on 127.0.0.1:PORT.
"""

import argparse
import base64
import sys

import dkim
import dns.resolver
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519


def read_key(path):
    with open(path, "rb") as file:
        pem = file.read()
    key = serialization.load_pem_private_key(pem, password=None)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        seed = key.private_bytes(serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        return base64.b64encode(seed)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


def use_dns(port):
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = port
    resolver.lifetime = 10
    dns.resolver.default_resolver = resolver


def text_of(name, timeout=5):
    try:
        answer = dns.resolver.resolve(name.decode() if isinstance(name, bytes) else name, "TXT")
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return None
    return b"".join(answer[0].strings)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("action")
    parser.add_argument("--dns", type=int)
    parser.add_argument("--domain")
    parser.add_argument("--selector")
    parser.add_argument("--key")
    parser.add_argument("--algorithm", default="rsa-sha256")
    parser.add_argument("--canonical", default="relaxed/relaxed")
    parser.add_argument("--length", action="store_true")
    parser.add_argument("--server-id")
    arguments = parser.parse_args()
    if arguments.dns:
        use_dns(arguments.dns)
    mail = sys.stdin.buffer.read()

    if arguments.action == "dkim-sign":
        header = dkim.sign(
            mail, arguments.selector.encode(), arguments.domain.encode(), read_key(arguments.key),
            canonicalize=tuple(w.encode() for w in arguments.canonical.split("/")),
            signature_algorithm=arguments.algorithm.encode(), length=arguments.length)
        sys.stdout.buffer.write(header + mail)
    elif arguments.action == "dkim-verify":
        parsed = dkim.DKIM(mail)
        count = sum(1 for name, _ in parsed.headers if name.lower() == b"dkim-signature")
        for index in range(count):
            try:
                good = dkim.DKIM(mail).verify(idx=index, dnsfunc=text_of)
            except dkim.DKIMException as error:
                print(error, file=sys.stderr)
                good = False
            print("pass" if good else "fail")
    elif arguments.action == "arc-sign":
        headers = dkim.arc_sign(
            mail, arguments.selector.encode(), arguments.domain.encode(), read_key(arguments.key), arguments.server_id.encode(),
            include_headers=[b"from", b"to", b"subject", b"date"])
        sys.stdout.buffer.write(b"".join(headers) + mail)
    elif arguments.action == "arc-verify":
        verdict, _, comment = dkim.arc_verify(mail, dnsfunc=text_of)
        print(comment, file=sys.stderr)
        print(verdict.decode())
    elif arguments.action == "spf":
        import spf

        for line in mail.decode().splitlines():
            address, helo, sender = line.split(" ")
            print(spf.check2(i=address, s="" if sender == "<>" else sender, h=helo, timeout=60)[0])
    else:
        parser.error("no such action")


if __name__ == "__main__":
    main()

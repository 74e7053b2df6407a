#!/usr/bin/env python3
"""Made the .eml files of this folder, once, with OpenSSL; running it again makes others, signed with a new key."""
import base64
import io
import pathlib
import struct
import subprocess
import tempfile
import zipfile

HERE = pathlib.Path(__file__).parent
HEAD = b"From: alice@example.org\r\nTo: someone@example.net\r\nSubject: %s\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMIME-Version: 1.0\r\n"


def armoured(data):
    return base64.encodebytes(data).replace(b"\n", b"\r\n")


def write(name, subject, entity):
    (HERE / f"{name}.eml").write_bytes(HEAD % subject + entity)


def openssl(*arguments, data=b""):
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, check=True).stdout


def signed(content, boundary, key, certificate, close=b"--\r\n"):
    signature = openssl("cms", "-sign", "-binary", "-outform", "DER", "-signer", certificate, "-inkey", key, "-md", "sha256", data=content)
    head = b'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n\tmicalg=sha-256; boundary="%s"\r\n\r\n' % boundary
    return (head + b"This is a signed message.\r\n\r\n--" + boundary + b"\r\n" + content + b"\r\n--" + boundary
            + b"\r\nContent-Type: application/pkcs7-signature; name=smime.p7s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + armoured(signature) + b"--" + boundary + close)


def tnef():
    """A TNEF stream with a version, a message class and a body."""
    def attribute(level, tag, data):
        return struct.pack("<BII", level, tag, len(data)) + data + struct.pack("<H", sum(data) & 0xFFFF)
    return (struct.pack("<IH", 0x223E9F78, 0x0100) + attribute(1, 0x00089006, struct.pack("<I", 0x00010000))
            + attribute(1, 0x00078008, b"IPM.Microsoft Mail.Note\0") + attribute(1, 0x0002800C, b"Text in winmail.dat\r\n\0"))


def main():
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as outer:
        inner = io.BytesIO()
        with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            archive.writestr(zipfile.ZipInfo("zeros"), bytes(10 << 20), zipfile.ZIP_DEFLATED)
        for number in range(50):
            outer.writestr(zipfile.ZipInfo(f"{number}.zip"), inner.getvalue(), zipfile.ZIP_DEFLATED)
    write("zip-bomb", b"small outside",
          b'Content-Type: application/zip; name="small.zip"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + armoured(bomb.getvalue()))
    write("winmail", b"winmail.dat",
          b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + armoured(tnef()))
    write("pgp-signed", b"PGP/MIME",
          b'Content-Type: multipart/signed; micalg=pgp-sha256; protocol="application/pgp-signature"; boundary="=_pgp"\r\n\r\n'
          b"--=_pgp\r\nContent-Type: text/plain\r\n\r\nFrom here, trailing space \r\n.\r\n\r\n--=_pgp\r\n"
          b"Content-Type: application/pgp-signature\r\n\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\niHUEABYIAB0=\r\n=abcd\r\n"
          b"-----END PGP SIGNATURE-----\r\n\r\n--=_pgp--\r\n")
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = f"{folder}/key.pem", str(HERE / "signer.pem")
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
                "-days", "36500", "-subj", "/CN=Alice", "-addext", "subjectAltName=email:alice@example.org",
                "-addext", "keyUsage=critical,digitalSignature,keyEncipherment,keyAgreement")
        plain = b"Content-Type: text/plain\r\n\r\nSigned.\r\n"
        write("smime-signed", b"signed", signed(plain, b"plain", key, certificate))
        odd = (b"Content-Type:   text/plain;\r\n\t charset = us-ascii  \r\nX-Empty:\r\n\r\n  leading\r\ntrailing  \t \r\n\t\r\n.\r\n..\r\n"
               b"From the start\r\n-- \r\n--odd not a boundary\r\n\r\n\r\n\r\n")
        write("smime-signed-odd-white-space", b"signed, with odd white space",
              signed(odd, b"odd boundary", key, certificate, b"--  \t\r\n\r\n \r\nEpilogue\r\n\r\n"))
        eight = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGrüße \r\n".encode()
        write("smime-signed-eight-bit", b"signed, 8-bit", signed(eight, b"eight", key, certificate))
        opaque = openssl("cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-signer", certificate, "-inkey", key, data=odd)
        write("smime-signed-opaque", b"signed, opaque",
              b"Content-Type: application/pkcs7-mime; smime-type=signed-data; name=smime.p7m\r\n"
              b"Content-Transfer-Encoding: base64\r\n\r\n" + armoured(opaque))
        write("smime-signed-in-attached-mail", b"forwarded",
              b"Content-Type: multipart/mixed; boundary=fwd\r\n\r\n--fwd\r\nContent-Type: message/rfc822\r\n\r\n"
              + HEAD % b"the original" + signed(plain, b"inside", key, certificate) + b"\r\n--fwd--\r\n")
        encrypted = openssl("cms", "-encrypt", "-binary", "-aes256", "-outform", "DER", certificate, data=plain)
        write("smime-encrypted", b"encrypted",
              b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m\r\n"
              b"Content-Transfer-Encoding: base64\r\n\r\n" + armoured(encrypted))


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Sends mails with Python's smtplib: STARTTLS, AUTH, 8BITMIME, SMTPUTF8. Prints how many were accepted.

    smtp_client.py PORT USER PASSWORD SENDER RECIPIENT FILE…
"""
import smtplib
import ssl
import sys


def main():
    port, user, password, sender, recipient, *files = sys.argv[1:]
    context = ssl.create_default_context()
    # The gateway under test has a certificate of its own making.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    accepted = 0
    with smtplib.SMTP("127.0.0.1", int(port), local_hostname="python.test.invalid", timeout=30) as client:
        client.ehlo()
        assert not client.has_extn("auth"), "AUTH is offered in clear"
        client.starttls(context=context)
        client.login(user, password)
        options = ["BODY=8BITMIME"]
        if not recipient.isascii():
            options.append("SMTPUTF8")
        for name in files:
            with open(name, "rb") as file:
                refused = client.sendmail(sender, [recipient], file.read(), mail_options=options, rcpt_options=["NOTIFY=FAILURE"])
            accepted += not refused
    print(accepted)


if __name__ == "__main__":
    main()

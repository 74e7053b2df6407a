#!/usr/bin/env python3
"""A filter on libmilter that does what the mail's X-Test field asks for.

    odd_milter.py SOCKET        e.g. inet:12345@127.0.0.1
"""

import sys
import time

import Milter


class Odd(Milter.Base):
    def __init__(self):
        self.wish = "accept"
        self.size = 0
        self.seen = b""
        self.recipients = []

    def envfrom(self, sender, *parameters):
        self.wish = "accept"
        self.size = 0
        self.seen = b""
        self.sender = sender
        self.recipients = []
        return Milter.CONTINUE

    def envrcpt(self, recipient, *parameters):
        self.recipients.append(recipient)
        return Milter.CONTINUE

    def header(self, name, value):
        if name == "X-Test":
            self.wish = value
        return Milter.CONTINUE

    def body(self, chunk):
        self.size += len(chunk)
        self.seen += chunk if self.wish == "reject-report" else b""
        if self.wish == "skip":
            return Milter.SKIP
        if self.wish == "reject-early":
            return Milter.REJECT
        return Milter.CONTINUE

    def eom(self):
        wish = self.wish
        if wish.startswith("slow-"):
            time.sleep(2)
            wish = wish[5:]
        if wish == "reject-report":
            return Milter.REJECT if b"report.pdf" in self.seen else Milter.ACCEPT
        if wish == "reject":
            return Milter.REJECT
        if wish == "tempfail":
            return Milter.TEMPFAIL
        if wish == "discard":
            return Milter.DISCARD
        if wish == "reply-554":
            self.setreply("554", "5.7.1", "Not with us")
            return Milter.REJECT
        if wish == "reply-451":
            self.setreply("451", "4.7.1", "Come back later")
            return Milter.TEMPFAIL
        if wish == "quarantine":
            self.quarantine("looks odd")
        if wish == "progress":
            for _ in range(3):
                time.sleep(0.6)
                self.progress()
        if wish == "sleep":
            time.sleep(30)
        if wish in ("describe", "skip", "progress"):
            self.addheader("X-Seen", "%d octets from %s to %s as %s" % (self.size, self.sender, " ".join(self.recipients), self.getsymval("i")))
            self.addheader("X-Folded", "one\n\ttwo", 0)
        if wish == "second-subject":
            self.addheader("Subject", "another")
        if wish == "bad-header":
            self.addheader("X-Bad", "one\nBcc: eve@example.net")
        if wish == "change-header":
            self.chgheader("Subject", 1, "another")
        if wish == "replace-body":
            self.replacebody(b"another\r\n")
        if wish == "add-recipient":
            self.addrcpt("<eve@example.net>")
        if wish == "delete-recipient":
            self.delrcpt(self.recipients[0])
        if wish == "change-sender":
            self.chgfrom("<eve@example.net>")
        return Milter.ACCEPT


Milter.factory = Odd
Milter.set_flags(Milter.ADDHDRS + Milter.CHGHDRS + Milter.CHGBODY + Milter.ADDRCPT + Milter.DELRCPT + Milter.QUARANTINE + Milter.CHGFROM)
Milter.runmilter("odd", sys.argv[1], timeout=60)

#!/usr/bin/python3
"""A mail server with TLS and a login, on loopback, that keeps what it is given.

Every mail it accepts becomes one file FOLDER/<number>.eml, headed by X-Envelope-From and X-Envelope-To. Once it listens it
prints `listening on PORT`. It needs Debian's python3-aiosmtpd.
"""

import argparse
import asyncio
import itertools
import os
import ssl

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


class Mailbox:
    """Keeps accepted mails as files; a file appears whole or not at all."""

    def __init__(self, folder, temporary_failures):
        self.folder = folder
        self.failures_left = temporary_failures
        self.numbers = itertools.count(1)

    async def handle_DATA(self, server, session, envelope):
        if self.failures_left > 0:
            self.failures_left -= 1
            return "451 4.7.1 Greylisted, try again later"
        name = f"{next(self.numbers):04}"
        head = f"X-Envelope-From: {envelope.mail_from}\r\nX-Envelope-To: {', '.join(envelope.rcpt_tos)}\r\n"
        draft = os.path.join(self.folder, f".{name}.draft")
        with open(draft, "wb") as file:
            file.write(head.encode() + envelope.content)
        os.rename(draft, os.path.join(self.folder, f"{name}.eml"))
        return f"250 2.0.0 Ok: queued as {name}"


class Session(SMTP):
    """One session, which asks for name and password in the words that clients of other servers wait for (Alertmanager does)."""

    AuthLoginUsernameChallenge = "Username:"
    AuthLoginPasswordChallenge = "Password:"


def login_check(user, password):
    """An authenticator that knows one user."""

    def check(server, session, envelope, mechanism, given):
        known = (
            isinstance(given, LoginPassword)
            and given.login == user.encode()
            and given.password == password.encode()
        )
        return AuthResult(success=known, handled=False)

    return check


async def serve(options):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key)
    mailbox = Mailbox(options.folder, options.temporary_failures)
    implicit = options.tls == "implicit"

    def session():
        return Session(
            mailbox,
            hostname="mail.test",
            authenticator=login_check(options.user, options.password),
            auth_required=True,
            # Under implicit TLS the session is encrypted before SMTP begins, which aiosmtpd does not see.
            auth_require_tls=not implicit,
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            enable_SMTPUTF8=True,
        )

    loop = asyncio.get_running_loop()
    server = await loop.create_server(session, "127.0.0.1", 0, ssl=context if implicit else None)
    print("listening on", server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tls", choices=["starttls", "implicit"], required=True)
    parser.add_argument("--certificate", required=True, help="PEM file")
    parser.add_argument("--key", required=True, help="PEM file")
    parser.add_argument("--user", required=True)
    parser.add_argument("--password", required=True)
    parser.add_argument("--temporary-failures", type=int, default=0, help="mails answered 451 before the first is taken")
    parser.add_argument("folder", help="where the mails go")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()

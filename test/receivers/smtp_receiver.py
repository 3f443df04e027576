#!/usr/bin/python3
"""A local SMTP server for tests: STARTTLS or implicit TLS, AUTH, and a log of what it took.

Prints "port N" when it is ready and serves until its standard input ends or it is killed. Every
mail becomes one JSON line in the log: {"sender", "recipients", "data", "tls", "user"}.

Recipients answer by their local part: "no.such" 550, "busy" 451, "greylisted" 451 the first time,
all others 250. A mail whose subject begins with "refuse" gets 554 after its data. With --tls FOLDER the certificate is signed by the
CA in FOLDER/ca.pem, made there if it is missing. The interpreter is the system's, which Debian's
python3-aiosmtpd belongs to.
"""

import argparse
import asyncio
import json
import pathlib
import ssl
import subprocess
import sys

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword


def make_certificates(folder):
    """A CA and a certificate for localhost and 127.0.0.1, once."""
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / "cert.pem").exists():
        return

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], check=True, cwd=folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test CA",
            "-keyout", "ca.key", "-out", "ca.pem")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
            "-keyout", "key.pem", "-out", "cert.csr")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    openssl("x509", "-req", "-in", "cert.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "cert.pem")


class Handler:
    def __init__(self, log):
        self.log = log
        self.greylist = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local = address.split("@")[0]
        if local == "no.such":
            return "550 5.1.1 no such user"
        if local == "busy":
            return "451 4.3.0 try again later"
        if local == "greylisted" and address not in self.greylist:
            self.greylist.add(address)
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        data = envelope.original_content.decode("utf-8", "replace")
        if "\r\nSubject: refuse" in "\r\n" + data:
            return "554 5.6.0 refused"
        record = {
            "sender": envelope.mail_from,
            "recipients": envelope.rcpt_tos,
            "data": data,
            "tls": session.ssl is not None or server.implicit_tls,
            "user": session.auth_data.login.decode() if session.authenticated else None,
        }
        with open(self.log, "a", encoding="utf-8") as out:
            out.write(json.dumps(record) + "\n")
        return "250 2.0.0 taken"


class Server(SMTP):
    implicit_tls = False


def make_authenticator(user, password):
    def authenticate(server, session, envelope, mechanism, data):
        right = (isinstance(data, LoginPassword)
                 and data.login.decode() == user and data.password.decode() == password)
        # Unhandled, the server answers 535 by itself.
        return AuthResult(success=right, handled=right, auth_data=data)
    return authenticate


async def serve(arguments):
    context = None
    if arguments.tls:
        make_certificates(arguments.tls)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments.tls / "cert.pem", arguments.tls / "key.pem")
    options = {"hostname": "localhost"}
    if arguments.user:
        options.update(authenticator=make_authenticator(arguments.user, arguments.password),
                       auth_required=True, auth_require_tls=bool(arguments.tls))
    if context and not arguments.implicit:
        options.update(tls_context=context, require_starttls=True)

    handler = Handler(arguments.log)

    def make_server():
        server = Server(handler, **options)
        server.implicit_tls = arguments.implicit
        if arguments.implicit:
            # The connection is encrypted from its first byte; AUTH may be offered at once.
            server._tls_handshake_okay = True
            server._auth_require_tls = False
        return server

    loop = asyncio.get_running_loop()
    listener = await loop.create_server(make_server, "127.0.0.1", arguments.port,
                                        ssl=context if arguments.implicit else None)
    print("port", listener.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--tls", type=pathlib.Path, help="folder of the certificates")
    parser.add_argument("--implicit", action="store_true", help="TLS from the first byte")
    parser.add_argument("--user", help="require AUTH with this name")
    parser.add_argument("--password", default="")
    asyncio.run(serve(parser.parse_args()))


main()

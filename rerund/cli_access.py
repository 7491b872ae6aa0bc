"""Commands about who may connect from other machines: keys for logging, tokens for pages."""

from __future__ import annotations

import argparse
import re
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from rerund import lifecycle, tokens
from rerund.command import Command, Exit, add_json, print_json, print_table
from rerund.guard import AllowList
from rerund_sdk import keys, links
from rerund_sdk.errors import KeyFailure

GROUP = "access from other machines"


def keys_command(args: argparse.Namespace) -> int:
    """Keys of this machine, and of those who may log to its daemon.

      rerund keys create [NAME]           make a key pair (default: default)
      rerund keys show [NAME]             its public key: others authorize it, or connect to it as server_key
      rerund keys authorize PUBLICKEY [NAME]   let a client in, at once
      rerund keys revoke NAME|PUBLICKEY   cut it off, within seconds
      rerund keys list                    all of them

    A daemon that listens beyond this machine (--listen tcp://0.0.0.0:9877) shows its key "default".
    """
    words: Sequence[str] = args.words
    name = words[-1] if words else keys.DEFAULT_NAME
    most = {"create": 1, "show": 1, "authorize": 2, "revoke": 1, "list": 0}[args.action]
    least = {"authorize": 1, "revoke": 1}.get(args.action, 0)
    if not least <= len(words) <= most:
        raise KeyFailure(f"`rerund keys {args.action}` takes {least} to {most} words, not {len(words)}")
    allowed = AllowList(keys.directory())
    if args.action == "create":
        _created(keys.create(name))
    elif args.action == "show":
        print(keys.load(name).public.hex())
    elif args.action == "authorize":
        public = keys.parse(words[0])
        name = keys.check_name(name) if len(words) > 1 else public.hex()[:8]
        allowed.authorize(public, name)
        print(f"authorized: {name}")
    elif args.action == "revoke":
        _, name = allowed.revoke(words[0])
        print(f"revoked: {name}")
    else:
        _list(allowed, args.json)
    return Exit.OK


def token(args: argparse.Namespace) -> int:
    """Print links to the daemon's pages, with the token that they want.

    A link shows who opens it in, for 30 days; keep it to those who should. --read-only: for those who may look but
    change nothing. --new: make new tokens; old links and cookies are worth nothing any more.
    """
    daemon = lifecycle.running()
    if not daemon.token_file:
        raise KeyFailure("the daemon's pages want no token: they can be reached from this machine only")
    if args.new:
        tokens.make(Path(daemon.token_file))
    shown = links.token(daemon, "read-only" if args.read_only else "full")
    found = [links.with_token(base, shown) for base in _bases(daemon.http, daemon.http_host)]
    if args.json:
        print_json({"token": shown, "links": found})
    else:
        print("\n".join(found))
    return Exit.OK


def _bases(http: str, host: str) -> list[str]:
    """Where pages that listen at `host` can be reached, `http` being how this machine does."""
    parts = urlsplit(http)
    if host not in ("0.0.0.0", "::"):
        return [http + "/"]
    family = socket.AF_INET if host == "0.0.0.0" else socket.AF_INET6
    addresses = [
        each.address
        for each_interface in psutil.net_if_addrs().values()
        for each in each_interface
        if each.family == family and not re.match(r"127\.|::1$|fe80:", each.address)
    ]
    names = [socket.gethostname(), *(f"[{address}]" if ":" in address else address for address in addresses)]
    return [f"{parts.scheme}://{name}:{parts.port}/" for name in names]


def _created(pair: keys.KeyPair) -> None:
    print(
        f"public key: {pair.public.hex()}\n"
        f"to let us in, on the daemon's machine:  rerund keys authorize {pair.public.hex()} {socket.gethostname()}\n"
        f"to connect to a daemon of ours:         RERUND_SERVER_KEY={pair.public.hex()}"
    )


def _list(allowed: AllowList, as_json: bool) -> None:
    own: list[dict[str, Any]] = []
    for name in keys.names():
        try:
            own.append({"name": name, "public": keys.load(name).public.hex()})
        except KeyFailure as error:
            own.append({"name": name, "error": str(error)})
    clients = [{"name": name, "public": public.hex()} for public, name in allowed.clients().items()]
    if as_json:
        print_json({"own": own, "authorized": clients})
        return
    print_table(("OURS", "PUBLIC KEY"), [(each["name"], each.get("public") or each["error"]) for each in own])
    print()
    print_table(("AUTHORIZED", "PUBLIC KEY"), [(each["name"], each["public"]) for each in clients])


def _keys_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("create", "show", "list", "authorize", "revoke"))
    parser.add_argument("words", nargs="*", metavar="NAME | PUBLICKEY")
    add_json(parser)


def _token_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--read-only", action="store_true", help="to look, and to do nothing else")
    parser.add_argument("--new", action="store_true", help="make new tokens first")
    add_json(parser)


COMMANDS = (
    Command("keys", GROUP, "create | list | authorize | ...", _keys_arguments, keys_command),
    Command("token", GROUP, "", _token_arguments, token),
)

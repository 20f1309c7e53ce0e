"""Refuse connections to the outside, in every Python process that has this folder on its path.

Only addresses of this machine are let through; anything else fails at once and says so, instead of hanging.
"""

import socket


def _refuse(method):
    def guarded(self, address, *rest):
        host = address[0] if isinstance(address, tuple) else ""
        if host in ("", "127.0.0.1", "::1", "localhost"):
            return method(self, address, *rest)
        raise ConnectionRefusedError(f"tests do not reach out: {host!r} was asked for")

    return guarded


def _refuse_lookup(lookup):
    def guarded(host, *rest, **more):
        if host in (None, "", b"", "127.0.0.1", "::1", "localhost"):
            return lookup(host, *rest, **more)
        raise socket.gaierror(f"tests do not look names up: {host!r} was asked for")

    return guarded


socket.socket.connect = _refuse(socket.socket.connect)
socket.socket.connect_ex = _refuse(socket.socket.connect_ex)
socket.getaddrinfo = _refuse_lookup(socket.getaddrinfo)

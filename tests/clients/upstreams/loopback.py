"""Loopback addresses of our own, for servers that must be told their ports."""

import random
import socket

_ATTEMPTS = 50


def address(*ports):
    """An address of 127.0.0.0/8 at which these TCP and UDP ports are free.

    Taken at random out of 16 million, so that two runs at once do not meet. 127.0.0.0/16 is left to everyone else.
    """
    for _ in range(_ATTEMPTS):
        host = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        if all(_free(host, port, kind) for port in ports for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)):
            return host
    raise AssertionError(f"no loopback address has the ports {ports} free")


def _free(host, port, kind):
    with socket.socket(socket.AF_INET, kind) as trial:
        try:
            trial.bind((host, port))
        except OSError:
            return False
    return True

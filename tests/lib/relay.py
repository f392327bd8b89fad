"""Bytes from one socket to another, until either ends."""
import socket


def pump(a, b):
    """What `a` receives goes to `b`; the end too."""
    try:
        while data := a.recv(65536):
            b.sendall(data)
        b.shutdown(socket.SHUT_WR)
    except OSError:
        pass

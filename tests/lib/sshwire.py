"""SSH as bytes, before any encryption: for clients that no library would be.

    w = sshwire.Wire(port, source="127.0.1.2")
    w.hello()                          # versions exchanged
    w.packet(sshwire.kexinit(follows=True))
    w.closed(10)                       # what the server still said, once it has closed
"""
import os
import socket
import struct

MSG_DISCONNECT, MSG_IGNORE, MSG_UNIMPLEMENTED, MSG_KEXINIT, MSG_KEX_INIT = 1, 2, 3, 20, 30
LISTS = {"kex": "curve25519-sha256,ecdh-sha2-nistp256", "hostkey": "ssh-ed25519", "c2s": "aes128-ctr", "s2c": "aes128-ctr",
         "mac_c2s": "hmac-sha2-256", "mac_s2c": "hmac-sha2-256", "comp_c2s": "none", "comp_s2c": "none", "lang_c2s": "",
         "lang_s2c": ""}


def text(s):
    b = s if isinstance(s, bytes) else s.encode()
    return struct.pack(">I", len(b)) + b


def kexinit(follows=False, **lists):
    body = b"".join(text(v) for v in {**LISTS, **lists}.values())
    return bytes([MSG_KEXINIT]) + os.urandom(16) + body + bytes([follows]) + b"\0\0\0\0"


def name_lists(payload):
    """The lists of a KEXINIT, by their names."""
    at, found = 17, {}
    for name in LISTS:
        n = struct.unpack_from(">I", payload, at)[0]
        found[name] = payload[at + 4:at + 4 + n].decode().split(",")
        at += 4 + n
    return found


class Wire:
    def __init__(self, port, source="127.0.0.1", timeout=10):
        self.s = socket.create_connection(("127.0.0.1", port), timeout, source_address=(source, 0))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.s.close()

    def send(self, data):
        """False once the other side has closed."""
        try:
            self.s.sendall(data)
            return True
        except OSError:
            return False

    def line(self):
        while b"\n" not in self.rest:
            data = self.s.recv(4096)
            if not data:
                raise EOFError(self.rest)
            self.rest += data
        line, self.rest = self.rest.split(b"\n", 1)
        return line.rstrip(b"\r")

    def hello(self, version=b"SSH-2.0-wire"):
        first = self.line()
        assert first.startswith(b"SSH-2.0-"), first
        self.send(version + b"\r\n")
        return self

    def packet(self, payload):
        pad = 8 - (len(payload) + 5) % 8
        pad += 8 if pad < 4 else 0
        return self.send(struct.pack(">IB", len(payload) + pad + 1, pad) + payload + b"\0" * pad)

    def read(self):
        """The payload of the next packet."""
        need = 5
        while len(self.rest) < need or len(self.rest) < (need := 4 + struct.unpack(">I", self.rest[:4])[0]):
            data = self.s.recv(65536)
            if not data:
                raise EOFError
            self.rest += data
        packet, self.rest = self.rest[:need], self.rest[need:]
        return packet[5:need - packet[4]]

    def closed(self, seconds=10):
        """Everything that the server says until it closes; an error if it does not."""
        self.s.settimeout(seconds)
        said, self.rest = [self.rest], b""
        try:
            while data := self.s.recv(65536):
                said.append(data)
        except ConnectionError:
            pass
        return b"".join(said)

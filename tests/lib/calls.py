"""Calls to the engine as messages (engine/api/call_proto.h), and a bridge that lets a fake engine of HTTP take them.

    calls.send(s, "GET", "/v1/info"); r = calls.Answer(s); r.status; r.read()
    Bridge(path).start()   # path + ".call" is listened on; each call goes to the HTTP server at path
"""
import contextlib
import os
import select
import socket
import struct
import threading

from wire import text, u32

SUFFIX = ".call"
BEGIN, BODY, REPLY, DATA = 0x400, 0x401, 0x480, 0x481
STREAM = 0xffffffff
PIECE = 32768


def begin(method, target, body=b"", idem="", last="", length=None, first=PIECE):
    return (u32(BEGIN) + text(method) + text(target) + text(idem) + text(last) +
            u32(len(body) if length is None else length) + text(body[:first]))


def send(s, method, target, body=b"", idem="", last=""):
    """The whole call; an engine that has answered and gone before it is whole is no error here."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        s.send(begin(method, target, body, idem, last))
        for at in range(PIECE, len(body), PIECE):
            s.send(u32(BODY) + text(body[at:at + PIECE]))


class Fields:
    def __init__(self, message):
        self.data, self.at = message, 4
        self.type = struct.unpack_from("<I", message)[0]

    def number(self):
        self.at += 4
        return struct.unpack_from("<I", self.data, self.at - 4)[0]

    def text(self):
        n = self.number()
        self.at += n
        assert self.at <= len(self.data)
        return self.data[self.at - n:self.at]

    def end(self):
        assert self.at == len(self.data), self.data


class Answer:
    """What comes back; of a stream, read with recv() as from a socket."""

    def __init__(self, s):
        self.s = s
        f = Fields(self.message())
        assert f.type == REPLY, hex(f.type)
        self.status, self.length, self.allow, self.first = f.number(), f.number(), f.text().decode(), f.text()
        f.end()

    def message(self):
        try:
            m = self.s.recv(65536)
        except ConnectionResetError:
            m = self.s.recv(65536)  # what it said before it went comes after this
        if not m:
            raise EOFError("the engine closed the connection")
        return m

    def recv(self, n=0):
        if self.first:
            data, self.first = self.first, b""
            return data
        try:
            f = Fields(self.message())
        except EOFError:
            return b""
        assert f.type == DATA, hex(f.type)
        data = f.text()
        f.end()
        return data

    def read(self):
        assert self.length != STREAM
        out = b""
        while len(out) < self.length:
            data = self.recv()
            assert data, "the answer was cut"
            out += data
        assert len(out) == self.length
        return out

    def settimeout(self, seconds):
        self.s.settimeout(seconds)

    def close(self):
        self.s.close()


class Bridge:
    def __init__(self, path):
        self.path, self.sock = path, None

    def start(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path + SUFFIX)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.bind(self.path + SUFFIX)
        os.chmod(self.path + SUFFIX, 0o666)
        self.sock.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def stop(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path + SUFFIX)

    def accept(self):
        while True:
            try:
                s, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        with s, socket.socket(socket.AF_UNIX) as h, contextlib.suppress(OSError):
            m = s.recv(65536)
            if not m:
                return
            f = Fields(m)
            method, target, _, last = (f.text().decode() for _ in range(4))
            length, body = f.number(), f.text()
            while len(body) < length:
                m = s.recv(65536)
                if not m:
                    return
                body += Fields(m).text()
            h.connect(self.path)
            head = f"{method} {target} HTTP/1.1\r\nHost: engine\r\nConnection: close\r\nContent-Length: {length}\r\n"
            head += f"Last-Event-ID: {last}\r\n" if last else ""
            h.sendall(head.encode() + b"\r\n" + body)
            if select.select([s, h], [], [])[0] == [s]:
                return  # it did not wait for the answer
            self.answer(s, h)

    @staticmethod
    def answer(s, h):
        data = b""
        while b"\r\n\r\n" not in data:
            more = h.recv(65536)
            if not more:
                return
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        left = length = next((int(x.split(":")[1]) for x in lines if x.startswith("content-length:")), STREAM)
        s.send(u32(REPLY) + u32(int(lines[0].split(" ")[1])) + u32(length) + text("") + text(b""))
        while True:
            for at in range(0, len(data), PIECE):
                s.send(u32(DATA) + text(data[at:at + PIECE]))
            left -= len(data) if length != STREAM else 0
            if left == 0 or s in select.select([s, h], [], [])[0]:
                return
            data = h.recv(65536)
            if not data:
                return

#!/usr/bin/python3
"""A stand-in for codinglab-tui: speaks the door protocol (base/door.h) and draws one line for all it hears.

Keys: q quits, x quits with status 3, s moves to project shop, h moves home, n moves to a project that is not there,
k dies at once, d ignores being told to end, b sends a frame of many parts, w stops reading; all others are echoed."""
import os
import select
import signal
import socket
import struct
import sys

ADMIT, HELLO, INPUT, RESIZE, ACK, LIST, KICK = range(0x100, 0x107)
FRAME, EXIT, SWITCH, LISTED, KICKED = range(0x180, 0x185)
args = dict(zip(sys.argv[1::2], sys.argv[2::2]))
listener = socket.socket(fileno=int(args["--listen-fd"]))
listener.setblocking(True)
os.fstat(int(args["--shm-fd"]))
doors = {}


def u32(n):
    return struct.pack("<I", n)


def text(b):
    return u32(len(b)) + b


class Door:
    number = 0

    def __init__(self, sock):
        self.sock, self.frame, self.acked, self.admitted, self.size = sock, 0, 0, None, None

    def send(self, data):
        self.sock.setblocking(True)
        self.sock.send(data)

    def draw(self, line):
        self.frame += 1
        self.send(u32(FRAME) + u32(self.frame) + u32(1) + text(line.encode() + b"\r\n"))

    def many(self):
        self.frame += 1
        for i in range(200):
            self.send(u32(FRAME) + u32(self.frame) + u32(i == 199) + text(b"." * 9993 + b"%05d\r\n" % i))

    def leave(self, message):
        self.send(message)
        del doors[self.sock]
        self.sock.close()

    def key(self, k):
        if k == "q":
            self.leave(u32(EXIT) + u32(0) + text(b"bye from the session"))
        elif k == "x":
            self.leave(u32(EXIT) + u32(3) + text(b""))
        elif k in "shn":
            self.leave(u32(SWITCH) + text({"s": b"shop", "h": b"", "n": b"nowhere"}[k]))
        elif k == "k":
            os.kill(os.getpid(), signal.SIGKILL)
        elif k == "d":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            self.draw("deaf")
        elif k == "b":
            self.many()
        elif k == "w":
            signal.pause()
        else:
            self.draw(f"typed {k!r} acked {self.acked} pid {os.getpid()}")

    def message(self, m):
        kind = struct.unpack_from("<I", m)[0]
        if kind == ADMIT:
            uid = struct.unpack("iii", self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
            n = struct.unpack_from("<I", m, 4)[0]
            self.admitted = (uid, m[8:8 + n].decode())
            self.number = next(i for i in range(1, 99) if i not in {d.number for d in doors.values() if d is not self and d.size})
        elif kind == LIST:
            here = [d for d in doors.values() if d.size]
            self.leave(u32(LISTED) + struct.pack("<qqI", 5000, 3000, len(here)) + b"".join(
                u32(d.number) + text(d.admitted[1].encode()) + u32(0) + text(b"127.0.0.1") + struct.pack("<IIqq", *d.size, 4000, 3000)
                for d in here))
        elif kind == KICK:
            number, n = struct.unpack_from("<II", m, 4)
            gone = [d for d in doors.values() if d.size and number in (0, d.number)]
            for d in gone:
                d.leave(u32(EXIT) + u32(0) + text(m[12:12 + n]))
            self.leave(u32(KICKED) + u32(len(gone)))
        elif kind == HELLO:
            _, rows, cols, n = struct.unpack_from("<IIII", m, 4)
            self.size = rows, cols
            pos, term, env = 20 + n, m[20:20 + n].decode(), []
            count = struct.unpack_from("<I", m, pos)[0]
            pos += 4
            for _ in range(count):
                n = struct.unpack_from("<I", m, pos)[0]
                env.append(m[pos + 4:pos + 4 + n].decode())
                pos += 4 + n
            self.draw(f"welcome {self.admitted[1]} by {self.admitted[0]} project {args.get('--project', '-')} "
                      f"size {rows}x{cols} term {term} env {','.join(sorted(env))} uid {os.getuid()} gids "
                      f"{os.getgroups()} cwd {os.getcwd()} home {os.environ['HOME']} pid {os.getpid()} "
                      f"project-id {args.get('--project-id', '-')} user-id {args['--uid']}")
        elif kind == INPUT:
            for k in m[8:].decode(errors="replace"):
                if self.sock in doors:
                    self.key(k)
        elif kind == RESIZE:
            self.size = struct.unpack_from("<II", m, 4)
            self.draw("resized %dx%d" % self.size)
        elif kind == ACK:
            self.acked = struct.unpack_from("<I", m, 4)[0]


while True:
    for s in select.select([listener, *doors], [], [])[0]:
        if s is listener:
            c = s.accept()[0]
            doors[c] = Door(c)
            continue
        try:
            m = s.recv(65536)
        except OSError:
            m = b""
        if m:
            doors[s].message(m)
        elif s in doors:
            del doors[s]
            s.close()

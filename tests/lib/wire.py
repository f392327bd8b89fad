"""Fields of our own messages, as base/ipc writes them: little-endian numbers, and bytes behind their length."""
import struct


def u32(n):
    return struct.pack("<I", n)


def text(b):
    b = b.encode() if isinstance(b, str) else b
    return u32(len(b)) + b

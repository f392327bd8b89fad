"""Others' key echo while one project's dev container does what it should not: forks without end, eats memory, fills the disk (battery row H10).

The greedy program runs in a second project of the lab, bounded in time; who types sits in the first.
"""
import subprocess
import time

from crowd import percentile, type_all

SECONDS = 12
GREEDY = (
    ("fork bomb", "exec python3 -c 'import os\nwhile True:\n try:\n  os.fork()\n except OSError:\n  pass'"),
    ("memory hog", "while :; do python3 -c 'x = []\nwhile True:\n x.append(bytearray(16 << 20))'; done"),
    ("disk filler", "while :; do head -c 300M /dev/zero >fill; rm fill; done"),
)


def bench(ours, row, keys):
    """p99 of a key's echo in the terminal of a session of another project, milliseconds; the goal is the battery's."""
    owner = ours.owner
    owner.ssh("project create wild --stack python")
    owner.ssh("true", "wild")
    client = ours.terminal(0)
    try:
        calm, _ = type_all([client], keys, "\x15", SECONDS)
        for name, command in GREEDY:
            p = subprocess.Popen([*owner.argv("wild"), command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                time.sleep(2)  # until it is at its worst
                times, lost = type_all([client], keys, "\x15", SECONDS)
            finally:
                p.kill()
                p.wait()
                owner.ssh("restart", "wild", timeout=120)
                owner.ssh("rm -f fill", "wild")
            row(f"echo beside a {name}: p99", percentile(times, .99) if times and not lost else float("inf"), percentile(calm, .99), "ms", "without it", ("below", 100))
    finally:
        client.close()
        ours.end()

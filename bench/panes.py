"""The pane process alone, driven as a session drives it: what hostile output costs, and how soon a hung emulator is replaced."""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/regress"))
os.environ.setdefault("CL_BIN", str(ROOT / "build/release/bin"))

import pane_driver as drv  # noqa: E402
from probe import median, tree  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")
KINDS = (("combining marks", "\u0301".encode()), ("joiners", "\u200d".encode()))


def cpu(pids):
    """Seconds of CPU that these processes have used."""
    used = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat") as f:
            fields = f.read().rpartition(") ")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / TICK


def script(path):
    """A shell line that writes the file two bytes at a time, then a word to wait for."""
    return f"dd if={path} bs=2 status=none; echo; echo EN''D; sleep 600"


def ours(path):
    with drv.Pane() as p:
        p.run(0, ["/bin/sh", "-c", script(path)])
        if not p.until(lambda: any(r == "END" for r in p.rows(0)), 240):
            sys.exit("marks: the pane did not come to their end")
        assert drv.RESTARTED not in p.log
        return cpu(tree(p.proc.pid))


def tmux(path):
    socket = f"bench-marks{os.getpid()}"
    call = ["tmux", "-f", "/dev/null", "-L", socket]
    try:
        subprocess.run([*call, "new", "-d", "-x", "80", "-y", "24", script(path)], check=True)
        pid = int(subprocess.run([*call, "display", "-p", "#{pid}"], capture_output=True, text=True, check=True).stdout)
        for _ in range(2400):
            if "\nEND" in "\n" + subprocess.run([*call, "capture-pane", "-p"], capture_output=True, text=True, errors="replace").stdout:
                return cpu([pid])
            time.sleep(0.1)
        sys.exit("marks: tmux did not come to their end")
    finally:
        subprocess.run([*call, "kill-server"], capture_output=True)


def marks(row, quick):
    """D8: 4 MB in writes of two bytes shall cost a second."""
    size = 1 if quick else 4
    for name, mark in KINDS:
        with tempfile.NamedTemporaryFile(prefix="codinglab-bench-") as f:
            f.write(mark * ((size << 20) // len(mark)))
            f.flush()
            row(f"{name}: CPU per MB", ours(f.name) / size, tmux(f.name) / size, "s", "tmux", ("below", 0.25))


def spin(row, quick):
    """D16: from the moment that the emulator hangs to the message that another serves."""
    took = []
    for _ in range(3 if quick else 9):
        with drv.Pane(test=True) as p:
            p.run(0, ["/bin/sh"])
            p.until(lambda: p.head(0)["rows"] == 24)
            p.send(drv.TEST, drv.SPIN)
            start = time.monotonic()
            if not p.until(lambda: drv.RESTARTED in p.log, 30):
                sys.exit("spin: the worker was not replaced")
            took.append((time.monotonic() - start) * 1000)
    row("spinning emulator replaced, median", median(took), None, "ms", "", ("below", 500))
    row("spinning emulator replaced, longest", max(took), None, "ms", "", ("below", 500))

"""Run a file's test_* functions (those whose names have one of the words given) in order and count them: the last line is what tests/run.py reads."""
import concurrent.futures
import sys
import time
import traceback


class Skip(Exception):
    pass


def one(name, fn, args):
    """(word, what to print)"""
    t0, word, text = time.time(), "ok", ""
    try:
        fn(*args)
    except Skip as e:
        word = f"skipped: {e}:"
    except Exception:
        word, text = "FAILED", traceback.format_exc()
    print(f"{text}{word} {name[5:].replace('_', ' ')} ({time.time() - t0:.1f} s)", flush=True)
    return word.split(":")[0]


def main(namespace, *args, lanes=1):
    """lanes: so many at once, for cases that share a lab and nothing else."""
    words = sys.argv[1:] or [""]
    wanted = [(n, f) for n, f in list(namespace.items()) if n.startswith("test_") and any(w in n for w in words)]
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        words = list(pool.map(lambda c: one(*c, args), wanted))
    failed = words.count("FAILED")
    print(f"{words.count('ok')} passed, {failed} failed, {words.count('skipped')} skipped")
    return failed

"""Run a file's test_* functions in order and count them: the last line is what tests/run.py reads."""
import sys
import time
import traceback


class Skip(Exception):
    pass


def main(namespace, *args):
    passed = failed = skipped = 0
    match = sys.argv[1] if len(sys.argv) > 1 else ""
    for name, fn in list(namespace.items()):
        if not name.startswith("test_") or match not in name:
            continue
        t0 = time.time()
        try:
            fn(*args)
            passed += 1
            word = "ok"
        except Skip as e:
            skipped += 1
            word = f"skipped: {e}"
        except Exception:
            failed += 1
            word = "FAILED"
            traceback.print_exc(file=sys.stdout)
        print(f"{word} {name[5:].replace('_', ' ')} ({time.time() - t0:.1f} s)", flush=True)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed

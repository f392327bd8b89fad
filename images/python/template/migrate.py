"""Brings the database to the form that the app expects.  Runs once for each release, before it serves."""

import store

if __name__ == "__main__":
    print(f"migrate: {store.migrate()} of {len(store.MIGRATIONS)} were new")

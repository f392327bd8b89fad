"""Brings the database to the form that the app expects.  Runs once for each release, before it
serves; every step must be harmless when repeated."""

import store

STEPS = [
    "CREATE TABLE IF NOT EXISTS item (name VARCHAR(100) PRIMARY KEY)",
    "INSERT INTO item (name) VALUES ('a row from the database') ON CONFLICT DO NOTHING",
]

if __name__ == "__main__":
    for step in STEPS:
        store.query(step)
    print(f"migrate: {len(STEPS)} steps done")

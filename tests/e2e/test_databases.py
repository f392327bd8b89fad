#!/usr/bin/python3
"""The database that a project asked for is the one it gets: deployed, read by the application, entered without a password."""
import sys

import cases
from lab import Lab


def ship(lab, user, name):
    url = user.ssh("ship", name, timeout=300).stdout.strip().split("\n")[-1]
    status, page = lab.get(url)
    assert status == 200 and f"Hello from {name}" in page and "<li>a row from the database</li>" in page, (status, page)
    st = user.json("status", name)
    assert {t["tier"]: t["ready"] for t in st["tiers"]} == {"web": 1, "was": 1, "db": 1}, st


def test_a_stack_says_what_it_can_use(lab, alice):
    p = alice.ssh("project create no --stack php --db web", check=False)
    assert p.returncode == 2 and "Choose one of: postgresql, mariadb" in p.stderr, (p.returncode, p.stderr)
    assert [x["name"] for x in alice.json("project ls")["projects"]] == []


def test_mariadb(lab, alice):
    alice.ssh("project create shop --stack php --db mariadb")
    assert alice.json("project show shop")["db"] == "mariadb"
    ship(lab, alice, "shop")
    assert "item" in alice.ssh("enter db-1 mariadb -e 'show tables'", "shop").stdout
    assert alice.ssh("enter db-1 id -u", "shop").stdout.strip() == "10104"
    assert alice.ssh("enter db-1 touch /etc/x", "shop", check=False).returncode != 0  # the root is read-only
    p = alice.ssh("enter db-1 mariadb --no-defaults -h 127.0.0.1 -u root -e 'select 1'", "shop", check=False)
    assert p.returncode != 0, p.stdout


def test_postgresql_is_the_default(lab, alice):
    alice.ssh("project create plain --stack php")
    assert alice.json("project show plain")["db"] == "postgresql"
    ship(lab, alice, "plain")
    assert "item" in alice.ssh("enter db-1 psql -At -c '\\dt'", "plain").stdout
    p = alice.ssh("enter db-1 env PGPASSFILE=/dev/null psql -w -c 'select 1'", "plain", check=False)
    assert p.returncode != 0, p.stdout


def main():
    with Lab(images="php mariadb postgresql web") as lab:
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())

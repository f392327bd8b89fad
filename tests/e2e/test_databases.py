#!/usr/bin/python3
"""The database that a project asked for is the one it gets: deployed, read by the application, entered without a password."""
import re
import sys
import time

import cases
from lab import Lab, wait_until
from load import Load


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
    p = alice.ssh("enter db-1 psql -h 127.0.0.1 -w -c 'select 1'", "plain", check=False)
    assert p.returncode != 0, p.stdout


# -- another password

def login(user, name):
    """How its application enters now: (user, password)."""
    return re.search(r"://(\w+):(\w+)@", user.ssh("enter was-1 printenv DATABASE_URL", name).stdout).groups()


def enters(user, name, who):
    sql = {"shop": f"env MYSQL_PWD={who[1]} mariadb --no-defaults -h 127.0.0.1 -u {who[0]} app -e 'select 1'",
           "plain": f"env PGPASSWORD={who[1]} psql -h 127.0.0.1 -U {who[0]} -w -c 'select 1'"}[name]
    return user.ssh(f"enter db-1 {sql}", name, check=False).returncode == 0


def rotated(lab, alice, name, url):
    before, db = login(alice, name), [i for t in alice.json("status", name)["tiers"] if t["tier"] == "db" for i in t["instances"]]
    assert enters(alice, name, before)
    with Load(lab.edge_port, url) as load:
        time.sleep(1)
        p = alice.ssh("config rotate-db", name, timeout=300)
        time.sleep(1)
    assert load.ok > 20 and not load.failures, (load.ok, load.failures[:5])
    now = login(alice, name)
    assert now[0] != before[0] and now[1] != before[1], "the same name or password"
    assert enters(alice, name, now) and not enters(alice, name, before)
    assert "<li>a row from the database</li>" in lab.get(url)[1]
    after = [i for t in alice.json("status", name)["tiers"] if t["tier"] == "db" for i in t["instances"]]
    assert [i["since"] for i in after] == [i["since"] for i in db], "the database was begun anew"
    told = p.stdout + p.stderr + alice.ssh("op ls --json", name).stdout + alice.ssh("events -n 100", name).stdout + alice.ssh("releases --json", name).stdout \
        + alice.ssh("config get --json", name).stdout + lab.admin.ssh("audit -n 50").stdout
    assert "rotate-db" in told and now[1] not in told and before[1] not in told
    return before, now


def test_another_password_of_postgresql(lab, alice):
    url = alice.ssh("url", "plain").stdout.strip()
    first, second = rotated(lab, alice, "plain", url)
    third, fourth = rotated(lab, alice, "plain", url)
    assert third == second and fourth[0] == first[0] and not enters(alice, "plain", first)
    # what is made later enters as the present one does; so does one that is taken back
    ship(lab, alice, "plain")
    assert login(alice, "plain") == fourth
    alice.ssh("rollback v1 -y", "plain", timeout=300)
    assert login(alice, "plain") == fourth and "<li>a row" in lab.get(url)[1]


def test_another_password_of_mariadb(lab, alice):
    url = alice.ssh("url", "shop").stdout.strip()
    rotated(lab, alice, "shop", url)
    rotated(lab, alice, "shop", url)


def test_an_engine_killed_in_a_change_of_password(lab, alice):
    url = alice.ssh("url", "plain").stdout.strip()
    for delay in (0.3, 1.5, 4):
        before = login(alice, "plain")
        with Load(lab.edge_port, url, threads=2) as load:
            alice.ssh("config rotate-db --no-wait", "plain")
            time.sleep(delay)
            lab.kill_daemon("engine")
            wait_until("engine answers", lambda: alice.ssh("whoami", check=False).returncode == 0, 20)
            wait_until(lambda: alice.ssh("op ls", "plain").stdout, lambda: alice.json("op ls", "plain")["ops"][0]["state"] == "done", 120)
        assert not load.failures, (delay, load.failures[:5])
        now = login(alice, "plain")
        assert now != before and enters(alice, "plain", now) and not enters(alice, "plain", before), delay


def test_a_database_that_does_not_answer_keeps_its_password(lab, alice):
    """Half way: nothing that serves is touched, the old password holds."""
    before = login(alice, "plain")
    box = next(c for c in lab.podman('ps', '--format', '{{.Names}}').split() if c.endswith(f"p{alice.json('project show plain')['id']}-prod-db-1-r0"))
    lab.podman("pause", box)
    try:
        p = alice.ssh("config rotate-db", "plain", check=False, timeout=300)
    finally:
        lab.podman("unpause", box)
    assert p.returncode == 1 and "database password" in p.stderr, (p.returncode, p.stderr)
    wait_until("it answers", lambda: lab.get(alice.ssh("url", "plain").stdout.strip())[0] == 200, 30)
    assert login(alice, "plain") == before and enters(alice, "plain", before)


def test_nothing_to_change(lab, alice):
    alice.ssh("project create bare --stack php")
    p = alice.ssh("config rotate-db", "bare", check=False)
    assert p.returncode == 3 and "nothing serves in" in p.stderr, (p.returncode, p.stderr)
    p = alice.ssh("config rotate-db -n", "plain")
    assert "another password beside the old one" in p.stdout + p.stderr


def main():
    with Lab(images="php mariadb postgresql web") as lab:
        return cases.main(globals(), lab, lab.user("alice"))


sys.exit(main())

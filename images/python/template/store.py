"""The database: PostgreSQL or MariaDB where DATABASE_URL says so (deployments), a SQLite file elsewhere.

Every thread has a connection of its own, made at its first use and made anew when it broke.
"""

import os
import sqlite3
import threading
import time
from urllib.parse import unquote, urlsplit

URL = os.environ.get("DATABASE_URL", "")
SCHEME = URL.split(":")[0].replace("postgresql", "postgres")
FILE = "app.db"
TRIES = 10
IDLE = 5  # seconds after which a connection is looked at before it is used

# Each runs once, in this order; add new ones at the end.  {id}: a column that numbers its rows.
MIGRATIONS = [
    "CREATE TABLE item (id {id}, name VARCHAR(100) NOT NULL)",
    "INSERT INTO item (name) VALUES ('a row from the database')",
]

local = threading.local()

if not URL:
    print(f"DATABASE_URL is not set: items are kept in {FILE}")
elif SCHEME not in ("postgres", "mysql"):
    raise SystemExit(f"DATABASE_URL: unknown scheme {SCHEME}")


def connect():
    if SCHEME == "postgres":
        import psycopg

        return psycopg.connect(URL, autocommit=True)
    if SCHEME == "mysql":
        import pymysql

        u = urlsplit(URL)
        return pymysql.connect(host=u.hostname, port=u.port or 3306, user=unquote(u.username or ""), charset="utf8mb4",
                               password=unquote(u.password or ""), database=u.path.lstrip("/"), autocommit=True)
    return sqlite3.connect(FILE, timeout=5, isolation_level=None)


def connect_patiently():
    """While the containers of a release come and go, the database's name may not be known for a moment."""
    for _ in range(TRIES - 1):
        try:
            return connect()
        except Exception as error:
            print(f"database: {error}; trying again")
            time.sleep(0.2)
    return connect()


def works(connection):
    try:
        connection.cursor().execute("SELECT 1")
        return True
    except Exception as error:
        print(f"database: {error}; connecting anew")
        connection.close()
        return False


def connection():
    now = time.monotonic()
    mine = getattr(local, "connection", None)
    if mine is None or (now - local.used > IDLE and not works(mine)):
        local.connection = None
        mine = local.connection = connect_patiently()
    local.used = now
    return mine


def query(sql, *values):
    """Rows of one statement; write ? for values."""
    try:
        cursor = connection().cursor()
        cursor.execute(sql.replace("?", "%s") if URL else sql, values)
        return cursor.fetchall() if cursor.description else []
    except Exception:
        local.used = 0  # whatever it was, look at the connection before it is used again
        raise


def names():
    return [name for (name,) in query("SELECT name FROM item ORDER BY id")]


def add(name):
    query("INSERT INTO item (name) VALUES (?)", name)


def migrate():
    """Runs what is new; how many that were."""
    query("CREATE TABLE IF NOT EXISTS schema_migrations (version INTEGER PRIMARY KEY)")
    done = query("SELECT COALESCE(MAX(version), 0) FROM schema_migrations")[0][0]
    for version, sql in list(enumerate(MIGRATIONS, 1))[done:]:
        query(sql.format(id="SERIAL PRIMARY KEY" if URL else "INTEGER PRIMARY KEY"))
        query("INSERT INTO schema_migrations VALUES (?)", version)
    return max(0, len(MIGRATIONS) - done)

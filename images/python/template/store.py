"""The database: PostgreSQL where DATABASE_URL says so (deployments), a SQLite file elsewhere."""

import os
import sqlite3

URL = os.environ.get("DATABASE_URL", "")


def connect():
    if URL:
        import psycopg2

        return psycopg2.connect(URL)
    return sqlite3.connect("app.db")


def query(sql, *values):
    """Rows of one statement; write ? for values."""
    connection = connect()
    try:
        cursor = connection.cursor()
        cursor.execute(sql.replace("?", "%s") if URL else sql, values)
        rows = cursor.fetchall() if cursor.description else []
        connection.commit()
        return rows
    finally:
        connection.close()

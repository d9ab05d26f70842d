"""The relations on a real PostgreSQL, from the script that ``recsys-eval sql --script`` prints: for tests."""

import shutil
from contextlib import contextmanager

import psycopg

from recsys.attribution import relations, script, staged
from recsys.attribution.engine import dialects
from recsys.attribution.policy import Policy
from recsys.service.store import embedded
from service_world import public_folder


@contextmanager
def running():
    """The URL of a PostgreSQL that the block has to itself."""
    folder = public_folder()
    try:
        with embedded.running(folder / "data") as url, psycopg.connect(url, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET fsync = off")  # nobody needs these tables after a power cut
            connection.execute("SELECT pg_reload_conf()")
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """A schema of its own with the staged tables of another engine and all relations of them."""

    def __init__(self, url, others):
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("SET TimeZone = 'Asia/Kolkata'")  # the server's own is nobody's business
        self._connection.execute("DROP SCHEMA IF EXISTS tried CASCADE; CREATE SCHEMA tried; SET search_path = tried")
        text = script.script(list(script.READS), dialects.known("postgres"), Policy())
        made, rest = text.split("INSERT INTO policy", 1)
        self._connection.execute(made)
        for name in relations.STAGED:
            self._take(name, others)
        _, relations_made = rest.split(";", 1)
        self._connection.execute(relations_made)

    def _take(self, name, others):
        columns = ", ".join(staged.STAGED[name][1])
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
            for row in others.rows(f"SELECT {columns} FROM {name}"):
                copy.write_row(row)

    def read(self, query):
        """The columns and rows of a query in DuckDB's dialect."""
        cursor = self._connection.execute(dialects.translated(query, "postgres"))
        return [column.name for column in cursor.description], cursor.fetchall()

    def close(self):
        """Let go of the connection."""
        self._connection.close()

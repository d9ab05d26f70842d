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
    """A schema of its own: the script's tables, filled from another engine's, and all relations of them. Without
    another engine they are empty, and the relations are made by ``make_relations``."""

    def __init__(self, url, other=None):
        self._connection = psycopg.connect(url, autocommit=True)
        self.run("SET TimeZone = 'Asia/Kolkata'")  # the server's own is nobody's business
        self.run("DROP SCHEMA IF EXISTS tried CASCADE; CREATE SCHEMA tried; SET search_path = tried")
        text = script.script(list(script.JOIN), dialects.known("postgres"), Policy())
        tables, rest = text.split("INSERT INTO policy", 1)
        policy_row, self._relations = rest.split(";", 1)
        self.run(tables)
        if other is None:
            self.run(f"INSERT INTO policy{policy_row}")
            return
        for name in relations.STAGED:
            columns = ", ".join(staged.TABLES[name][1])
            self.copy(name, columns, other.rows(f"SELECT {columns} FROM {name}"))
        self.make_relations()

    def run(self, statements):
        """Run statements of PostgreSQL's own."""
        self._connection.execute(statements)

    def make_relations(self):
        """Make the relations of what is staged."""
        self.run(self._relations)

    def copy(self, name, columns, rows):
        """Put rows into a table."""
        with self._connection.cursor() as cursor, cursor.copy(f"COPY {name} ({columns}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def read(self, query):
        """The columns and rows of a query in DuckDB's dialect."""
        cursor = self._connection.execute(dialects.translated(query, "postgres"))
        return [column.name for column in cursor.description], cursor.fetchall()

    def close(self):
        """Let go of the connection."""
        self._connection.close()

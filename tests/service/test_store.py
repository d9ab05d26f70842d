"""The store: schema, tenants, keys, configurations, and a tenant's data as the signals want it."""

import hashlib
import itertools
import json
import threading
from contextlib import closing
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

import numpy as np
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys.contracts.config import Experiment, Limits, TenantConfig, Variant
from recsys.errors import ConfigError, StorageError, UsageError
from recsys.service.importing import load
from recsys.service.importing.columns import Columns
from recsys.service.importing.rows import EVENT_FIELDS, EVENT_NEEDED, ITEM_FIELDS, ITEM_NEEDED
from recsys.service.store import database, tenants
from recsys.service.store.database import connection
from recsys.service.store.reader import Reader
from recsys.service.store.tables import metadata
from recsys.service.store.tenant_data import load_tenant

NOBODY = "postgresql://user:pepper@127.0.0.1:1/db"
NAMES = itertools.count()


@pytest.fixture(scope="module")
def url(make_database):
    """A migrated database."""
    made = make_database()
    database.migrate(made)
    return made


@pytest.fixture
def tenant(url):
    """A tenant of the test's own."""
    name = f"tenant-{next(NAMES)}"
    with connection(url) as opened:
        assert tenants.create_tenant(opened, name)
    return name


def fill(url: str, tenant: str, folder: Path, items: list[dict], events: list[dict]) -> None:
    """Import rows, with pseudonyms under the salt "salt"."""
    for name, rows in (("items", items), ("events", events)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with connection(url) as opened:
        columns = Columns(ITEM_FIELDS, ITEM_NEEDED)
        done = load.import_items(opened, folder / "items.jsonl", tenant, columns, folder / "bad")
        assert done.bad == 0, done.faults
        columns = Columns(EVENT_FIELDS, EVENT_NEEDED)
        done = load.import_events(opened, folder / "events.jsonl", tenant, columns, folder / "bad", b"salt")
        assert done.bad == 0, done.faults


def revision(url: str, tenant: str) -> int:
    with connection(url) as opened:
        return tenants.list_tenants(opened)[tenant]


def test_the_migrations_make_the_tables(url):
    """What Alembic finds between the migrated database and ``tables`` is nothing."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with connection(url) as opened:
        context = MigrationContext.configure(opened, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_migrations_are_in_the_package():
    """Where the package is, its migrations are, in the order of their names."""
    found = sorted(path.name for path in files("recsys.service").joinpath("migrations/versions").iterdir())
    assert [name[:4] for name in found if name.endswith(".py")] == sorted(database.revisions())


def test_an_empty_database_wants_migrating(make_database):
    """The error says what to do; doing it once is enough, doing it again does no harm."""
    made = make_database()
    with pytest.raises(StorageError, match=r"older than this version .*no schema.*recsys-service migrate"):
        database.check_schema(made)
    assert database.migrate(made) == (None, database.head())
    assert database.migrate(made) == (database.head(), database.head())
    database.check_schema(made)


def test_a_newer_database_is_left_alone(make_database):
    """Neither served from nor migrated."""
    made = make_database()
    database.migrate(made)
    with psycopg.connect(made) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    for refuse in (database.check_schema, database.migrate):
        with pytest.raises(StorageError, match=r"newer than this version.*9999.*Use the version that made it"):
            refuse(made)


def test_migrations_at_once(make_database):
    """Programs that start together migrate one after the other."""
    made, results = make_database(), []
    threads = [threading.Thread(target=lambda: results.append(database.migrate(made))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(before or "" for before, _ in results) == ["", *[database.head()] * 3]


def test_somebody_elses_tables(make_database):
    """A database in use for something else: one error with PostgreSQL's words, and nothing changed."""
    made = make_database()
    with psycopg.connect(made) as raw:
        raw.execute("CREATE TABLE tenant (id int)")
    with pytest.raises(StorageError, match=r'did not do what it was asked.*"tenant" already exists'):
        database.migrate(made)
    with psycopg.connect(made) as raw:
        assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchall() == [(1,)]


def test_a_database_that_cannot_be_reached():
    """The address without the password, the reason, and what to check."""
    for reach in (database.check_schema, database.migrate, lambda url: Reader(url).listing()):
        with pytest.raises(StorageError) as refused:
            reach(NOBODY)
        assert "postgresql://user:***@127.0.0.1:1/db: the database cannot be reached" in str(refused.value)
        assert "Connection refused" in str(refused.value)
        assert "Check DATABASE_URL" in str(refused.value)
        assert "pepper" not in str(refused.value)


def test_a_database_that_is_not_there(postgres):
    """PostgreSQL's own words."""
    with pytest.raises(StorageError, match='"nowhere" does not exist'):
        database.check_schema(postgres.replace("/postgres?", "/nowhere?"))


def test_a_url_with_an_unknown_parameter():
    """Said by name, before anything is connected."""
    with pytest.raises(ConfigError, match=r"DATABASE_URL.*nosuch"):
        database.engine("postgresql://u:pepper@h/d?nosuch=1")


def test_a_failure_in_the_middle(url, tenant):
    """An error of the driver itself is told like the others, and the transaction leaves nothing."""

    def fail():
        with connection(url) as opened:
            tenants.set_config(opened, tenant, TenantConfig(limits=Limits(max_k=9)))
            opened.connection.driver_connection.execute("SELECT 1/0")

    with pytest.raises(StorageError, match="division by zero"):
        fail()
    with connection(url) as opened:
        assert tenants.current_config(opened, tenant).version == 0


@pytest.mark.parametrize("name", ["", "a b", "../x", "-a", "é", "x" * 65, "a/b", "a\n"])
def test_unusable_tenant_names(url, name):
    """Names stand in paths and logs, so they are plain."""
    with connection(url) as opened, pytest.raises(UsageError, match="1 to 64 of"):
        tenants.create_tenant(opened, name)


def test_tenants_are_made_once_and_missed_with_the_nearest(url, tenant):
    """Making one again changes nothing; a misspelt one is told with the nearest known."""
    with connection(url) as opened:
        assert not tenants.create_tenant(opened, tenant)
        with pytest.raises(UsageError, match=f"no such tenant.*{tenant}"):
            tenants.require_tenant(opened, tenant.replace("t-", "tt-"))


def test_keys_are_kept_as_hashes(url, tenant):
    """256 random bits, shown once; the database holds their SHA-256, and the listing for workers as well."""
    with connection(url) as opened:
        key_id, secret = tenants.create_key(opened, tenant, "operator")
        _, other = tenants.create_key(opened, tenant, "browser")
    assert len(secret) >= 43
    assert secret != other
    digest = hashlib.sha256(secret.encode()).hexdigest()
    with psycopg.connect(url) as raw:
        ((row,),) = raw.execute("SELECT to_jsonb(api_key)::text FROM api_key WHERE key_id = %s", (key_id,)).fetchall()
    assert digest in row
    assert secret not in row
    with closing(Reader(url)) as reader:
        found = reader.listing().keys[digest]
    assert (found.tenant_id, found.role) == (tenant, "operator")


def test_revoked_keys_are_not_listed_to_workers(url, tenant):
    """They stay on the list of keys, with the time; revoking again is an error that says where to look."""
    with connection(url) as opened:
        key_id, secret = tenants.create_key(opened, tenant, "viewer")
        tenants.revoke_key(opened, key_id)
        assert hashlib.sha256(secret.encode()).hexdigest() not in tenants.listing(opened).keys
        (listed,) = tenants.list_keys(opened, tenant)
        assert listed.key_id == key_id
        assert listed.revoked_at is not None
        with pytest.raises(UsageError, match="key list"):
            tenants.revoke_key(opened, key_id)


@pytest.mark.parametrize(("role", "words"), [("operater", "'operator'"), ("root", "Known: admin, browser")])
def test_unknown_roles(url, tenant, role, words):
    """With the nearest known role, or all of them."""
    with connection(url) as opened, pytest.raises(UsageError, match=words):
        tenants.create_key(opened, tenant, role)


def test_configurations_are_versions(url, tenant):
    """Each change is a new version with a name of its own; the same document again is not."""
    first, second = TenantConfig(limits=Limits(max_k=5)), TenantConfig(limits=Limits(max_k=6))
    with connection(url) as opened:
        assert tenants.current_config(opened, tenant) == tenants.EMPTY
        one = tenants.set_config(opened, tenant, first)
        assert tenants.set_config(opened, tenant, first) == one
        two = tenants.set_config(opened, tenant, second)
        three = tenants.set_config(opened, tenant, first)
        assert tenants.current_config(opened, tenant) == three
    assert [made.version for made in (one, two, three)] == [1, 2, 3]
    assert one.name.partition("-")[2] == three.name.partition("-")[2] != two.name.partition("-")[2]


def test_a_configuration_keeps_the_order_of_variants(url, tenant):
    """Their order decides who gets which, so it is kept byte for byte."""
    wanted = TenantConfig(experiments={"e": Experiment(variants={name: Variant() for name in "zyxabc"})})
    with connection(url) as opened:
        tenants.set_config(opened, tenant, wanted)
        assert list(tenants.current_config(opened, tenant).config.experiments["e"].variants) == list("zyxabc")


def test_two_operators_at_once(url, tenant):
    """Both expect version 0: one sets version 1, the other is told, and nothing is lost."""
    results = []

    def change(max_k: int) -> None:
        try:
            with connection(url) as opened:
                new = TenantConfig(limits=Limits(max_k=max_k))
                results.append(tenants.set_config(opened, tenant, new, expected=0).version)
        except StorageError as error:
            results.append(str(error))

    threads = [threading.Thread(target=change, args=(max_k,)) for max_k in (5, 6, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(1) == 1
    assert sum("changed meanwhile (found version 1; expected version 0)" in str(told) for told in results) == 2


def test_what_changes_the_data_raises_the_revision(url, tenant, tmp_path):
    """Items, events and configuration do, once an import; what changes nothing does not wake the workers."""
    items = [{"item_id": "a"}, {"item_id": "b", "tags": ["x"], "price": 1.5}]
    events = [{"user_id": "u", "item_id": "a", "ts": 1_700_000_000}]
    before = revision(url, tenant)
    fill(url, tenant, tmp_path, items, events)
    assert revision(url, tenant) == before + 2
    fill(url, tenant, tmp_path, items, events)
    assert revision(url, tenant) == before + 2
    fill(url, tenant, tmp_path, [{"item_id": "b", "tags": ["y"]}], events)
    assert revision(url, tenant) == before + 3


IDS = st.text("aB é𝒳~\U0010ffff￿", min_size=1, max_size=3).filter(lambda text: text.strip() == text)
ITEMS = st.dictionaries(IDS, st.lists(st.sampled_from(["Red", "blue", "x y"]), unique=True, max_size=2), max_size=6)
MOMENTS = st.integers(1_700_000_000_000_000, 1_700_000_000_000_003)
EVENTS = st.lists(st.tuples(st.sampled_from("uvw"), IDS, st.sampled_from(["click", "view", "Buy"]), MOMENTS))


def pseudonym_of(user: str) -> str:
    import hmac

    return hmac.new(b"salt", user.encode(), "sha256").hexdigest()


@settings(deadline=None, max_examples=40)
@given(items=ITEMS, events=EVENTS)
def test_a_tenants_data_is_what_was_imported(url, tmp_path_factory, items, events):
    """Against plain Python: items and users by code point, each event once, in the order of (ts, user, item, type);
    events of unknown items left out, and nothing of another tenant."""
    name = f"made-{next(NAMES)}"
    with connection(url) as opened:
        tenants.create_tenant(opened, name)
    rows = [
        {"user_id": user, "item_id": item, "event_type": kind,
         "ts": datetime.fromtimestamp(ts // 10**6, UTC).replace(microsecond=ts % 10**6).isoformat()}
        for user, item, kind, ts in events
    ]  # fmt: skip
    folder = tmp_path_factory.mktemp("made")
    fill(url, name, folder, [{"item_id": item, "tags": tags} for item, tags in items.items()], rows)
    with connection(url) as opened:
        found = load_tenant(opened, name)
    assert [(row.item_id, list(row.tags)) for row in found.items] == sorted(items.items())
    users = sorted({pseudonym_of(user) for user, *_ in events})
    assert found.users == users
    distinct = {(ts, pseudonym_of(user), item, kind) for user, item, kind, ts in events if item in items}
    wanted = [(users.index(user), sorted(items).index(item), ts) for ts, user, item, _ in sorted(distinct)]
    arrays = (found.event_user, found.event_item, found.event_ts)
    assert list(zip(*(array.tolist() for array in arrays), strict=True)) == wanted
    assert [array.dtype for array in arrays] == [np.int32, np.int32, np.int64]


def test_no_such_tenant(url):
    """A KeyError: the caller knows which tenants there are."""
    with connection(url) as opened, pytest.raises(KeyError):
        load_tenant(opened, "nobody")


def test_a_reader_outlives_its_connections(url, tenant):
    """Connections that the database closed are made anew: workers need no restart."""
    with closing(Reader(url)) as reader, psycopg.connect(url, autocommit=True) as raw:
        assert tenant in reader.listing().revisions
        raw.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()")  # fmt: skip
        assert tenant in reader.listing().revisions
        assert reader.load(tenant).tenant_id == tenant


def test_the_operators_bound_on_lists(url, tenant):
    """It holds for every tenant, and the version says so; a tenant's own lower limit stays as it is."""
    with connection(url) as opened:
        made = tenants.set_config(opened, tenant, TenantConfig(limits=Limits(max_k=50)))
    for max_k, wanted, version in ((200, 50, made.name), (50, 50, made.name), (30, 30, f"{made.name}.k30")):
        with closing(Reader(url, max_k=max_k)) as reader:
            found = reader.load(tenant)
        assert (found.config.limits.max_k, found.config_version) == (wanted, version)

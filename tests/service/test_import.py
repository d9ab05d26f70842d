"""Import of items and events: CSV, TSV, JSONL and Parquet, bad rows told and set aside, users pseudonymised."""

import hashlib
import hmac
import itertools
import json
import stat
from datetime import UTC, datetime, timedelta, timezone

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.errors import InputError, UsageError
from recsys.service.importing import rows, tabular
from recsys.service.importing.columns import Columns
from recsys.service.importing.rows import EVENT_FIELDS, EVENT_NEEDED, BadRowError
from service_world import SALT, cli

NAMES = itertools.count()
MOMENT = datetime(2026, 2, 5, 10, 0, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def tenant(env):
    """A tenant of the test's own."""
    name = f"import-{next(NAMES)}"
    assert cli("tenant", "create", name, env=env).status == 0
    return name


@pytest.fixture
def bring(env, tenant, tmp_path, monkeypatch):
    """A function that imports a file (its name and content) in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(what, name, content, *options):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return cli("import", what, path, "--tenant", tenant, *options, env=env)

    return run


@pytest.fixture
def stored(env, tenant):
    """A function that reads a table of the tenant: tuples of the columns that are named, sorted."""

    def read(table, columns):
        with psycopg.connect(env["DATABASE_URL"]) as raw:
            query = f"SELECT {columns} FROM {table} WHERE tenant_id = %s ORDER BY {columns}"  # type: ignore[arg-type]
            return raw.execute(query, (tenant,)).fetchall()  # type: ignore[call-overload]

    return read


def pseudonym(user):
    return hmac.new(SALT.encode(), user.encode(), hashlib.sha256).hexdigest()


def parquet(folder, name, **columns):
    """A Parquet file of these columns; its name."""
    pq.write_table(pa.table(columns), folder / name)
    return name


def test_items_in_every_format(bring, stored, tmp_path):
    """The same catalogue from CSV, TSV, JSONL and Parquet is the same rows; reading it again changes none."""
    text = 'item_id,tags,title,price,created_at\na,red|dark blue,"A, or B",1.5,2026-02-05T11:00:00.25+01:00\nb,,,,\n'
    done = bring("items", "i.csv", text)
    assert (done.status, done.out) == (0, "2 rows: 2 items stored, 0 bad\n"), done.err
    wanted = [("a", ["red", "dark blue"], "A, or B", 1.5, MOMENT), ("b", [], None, None, None)]
    assert stored("item", "item_id, tags, title, price, created_at") == wanted
    tsv = "item_id\ttags\ttitle\tprice\tcreated_at\na\tred|dark blue\tA, or B\t1.5\t1770285600.25\nb\t\t\t\t\n"
    lines = [
        {"item_id": "a", "tags": ["red", "dark blue"], "title": "A, or B", "price": 1.5,
         "created_at": "2026-02-05t10:00:00.250z"},
        {"item_id": "b", "tags": None},
    ]  # fmt: skip
    jsonl = "\ufeff" + "\n\n".join(json.dumps(line) for line in lines)
    name = parquet(
        tmp_path, "i.parquet", item_id=["a", "b"], tags=[["red", "dark blue"], None], title=["A, or B", None],
        price=[1.5, None], created_at=pa.array([MOMENT, None], pa.timestamp("us", "UTC")),
    )  # fmt: skip
    for again in (("i.tsv", tsv), ("i.jsonl", jsonl), (name, None)):
        done = bring("items", *again)
        assert (done.status, done.out) == (0, "2 rows: 0 items stored, 2 repeated, 0 bad\n"), done.err
    assert stored("item", "item_id, tags, title, price, created_at") == wanted


def test_the_last_row_of_an_item_counts(bring, stored):
    """Within one file and over several; other items stay."""
    assert (
        bring("items", "i.jsonl", '{"item_id":"a","title":"1"}\n{"item_id":"b"}\n{"item_id":"a","title":"2"}').status
        == 0
    )
    assert stored("item", "item_id, title") == [("a", "2"), ("b", None)]
    assert bring("items", "i.jsonl", '{"item_id":"a"}').status == 0
    assert stored("item", "item_id, title") == [("a", None), ("b", None)]


def test_events_are_pseudonymised_and_kept_once(bring, stored):
    """Raw user ids are nowhere in the database; an event of the same user, item, type and time is kept once."""
    text = (
        "user_id,item_id,event_type,ts,value,surface\n u1 ,a,click,1770285600.25,2,home\nu1,a,click,1770285600.25,,\n"
    )
    done = bring("events", "e.csv", text)
    assert (done.status, done.out) == (0, "2 rows: 1 events stored, 1 repeated, 0 bad\n"), done.err
    assert stored("event", "user_id, item_id, event_type, ts, value, surface") == [
        (pseudonym("u1"), "a", "click", MOMENT, 2.0, "home")
    ]
    assert "1 events are of items that the catalogue does not have" in done.err


def test_events_from_parquet(bring, stored, tmp_path):
    """Whole-number ids, and instants with or without a fraction."""
    for item, unit in enumerate(("ms", "us", "ns")):
        moments = pa.array([MOMENT], pa.timestamp(unit, "Europe/Berlin"))
        name = parquet(tmp_path, "e.parquet", user_id=[7], item_id=[item], ts=moments, other=pa.array([[MOMENT]]))
        done = bring("events", name, None)
        assert done.status == 0, done.err
    assert stored("event", "item_id, ts") == [("0", MOMENT), ("1", MOMENT), ("2", MOMENT)]
    for unit in ("us", "ns"):
        naive = pa.array([MOMENT.replace(tzinfo=None)], pa.timestamp(unit))
        done = bring("events", parquet(tmp_path, "n.parquet", user_id=["u"], item_id=["i"], ts=naive), None)
        assert (done.status, "n.parquet:1: ts: found a time without a time zone" in done.err) == (1, True), done.err


def test_a_missing_event_type_is_a_click_and_says_so(bring, stored):
    """Logs of one kind of event have no such column; --set names another kind."""
    done = bring("events", "e.csv", "user_id,item_id,ts\nu,a,1\n")
    assert "there is no event_type: click is taken" in done.err
    assert bring("events", "e.csv", "user_id,item_id,ts\nu,a,1\n", "--set", "event_type=rating").status == 0
    assert stored("event", "event_type") == [("click",), ("rating",)]


def test_columns_by_other_names(bring, stored):
    """--map takes a column by its name, also in place of one that is called like the field; the rest is named."""
    text = "user_id:token\titem_id\tasin\ttimestamp:float\trating\nu\tx\ta\t1\t5\n"
    options = ("--map", "user_id:token=user_id", "--map", "asin=item_id", "--map", "timestamp:float=ts")
    done = bring("events", "e.inter", text, *options)
    assert done.status == 0
    assert stored("event", "user_id, item_id") == [(pseudonym("u"), "a")]
    assert "columns left out, because they are no field: item_id, rating" in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ((), ["e.csv: no column is user_id", "user:token, item_id, ts", "--map THEIRS=user_id"]),
        (("--map", "user:tok=user_id"), ["no such column to map", "'user:token'"]),
        (("--map", "user:token=user"), ["no such field", "'user_id'"]),
        (("--map", "user:token"), ["--map cannot be read", "theirs=ours"]),
        (("--set", "event_type"), ["--set cannot be read", "ours=value"]),
        (("--map", "user:token=user_id", "--set", "user_id=u"), ["a field is given twice", "user_id"]),
        (("--map", "user:token=user_id", "--aside", "e.csv"), ["would overwrite the file that is imported"]),
    ],
)
def test_options_that_cannot_be_meant(bring, options, words):
    """One error, status 1, nothing stored."""
    done = bring("events", "e.csv", "user:token,item_id,ts\nu,a,1\n", *options)
    assert done.status == 1
    for word in words:
        assert word in done.err
    assert len(done.err.splitlines()) == 1


def test_a_column_with_a_suffix_is_suggested():
    """Column names that carry a type, as in RecBole's files: the hint is the option to copy."""
    with pytest.raises(InputError, match="--map ts:float=ts"):
        Columns(EVENT_FIELDS, EVENT_NEEDED).check(tabular.Path("e"), ["user_id", "item_id", "ts:float"])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("e.xlsx", "x", "the kind of file is not known"),
        ("e.csv", "", "the file is empty"),
        ("e.csv", "user_id,user_id\n", "a column is named twice"),
        ("e.parquet", "no", "not a Parquet file that can be read"),
        ("e.csv", None, "no such file"),
    ],
)
def test_files_that_cannot_be_read(bring, name, content, words):
    """One error with the name of the file, status 1."""
    done = bring("events", name, content)
    assert done.status == 1
    assert words in done.err
    assert name in done.err
    assert len(done.err.splitlines()) == 1


def test_bad_rows_are_told_and_set_aside(bring, stored, tmp_path):
    """File and line, the reason, the row in a private file; the good rows are stored, status 0."""
    lines = [
        '{"user_id":"u","item_id":"a","ts":1}',
        '{"user_id":"u","item_id":"a"',
        '{"user_id":" ","item_id":"a","ts":2}',
        '{"user_id":"secret-user","item_id":"a","ts":"2026-02-05T10:00:00"}',
        '{"user_id":"u","item_id":"a","ts":1770285600250}',
        '{"user_id":"u","item_id":"a","ts":3,"value":"many"}',
        '{"user_id":"u","item_id":"a","ts":4,"event_type":"%s"}' % ("x" * 65),
    ]  # fmt: skip
    done = bring("events", "e.jsonl", "\n".join(lines))
    assert (done.status, done.out) == (0, "7 rows: 1 events stored, 6 bad\n")
    reasons = [line.partition("e.jsonl:")[2] for line in done.err.splitlines() if "e.jsonl:" in line]
    wanted = ["2: not JSON", "3: user_id", "4: ts", "5: ts", "6: value", "7: event_type"]
    assert len(reasons) == len(wanted)
    assert all(reason.startswith(start) for reason, start in zip(reasons, wanted, strict=True)), reasons
    assert "without an offset" in reasons[2]
    assert "milliseconds must be divided by 1000" in reasons[3]
    assert "secret-user" not in done.err
    aside = tmp_path / "e.jsonl.bad.jsonl"
    assert [json.loads(line)["line"] for line in aside.read_bytes().splitlines()] == [2, 3, 4, 5, 6, 7]
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert stored("event", "ts") == [(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC),)]


def test_only_the_first_bad_rows_are_listed(bring):
    """Twenty of them, with the count of the rest; when every row is bad the status is 1."""
    done = bring("items", "i.csv", "item_id,price\n" + "a,many\n" * 50)
    assert done.status == 1
    assert done.out == "50 rows: 0 items stored, 50 bad\n"
    assert done.err.count("expected a number") == 20
    assert "50 bad rows (30 more than are listed) are in i.csv.bad.jsonl" in done.err


def test_a_file_without_rows(bring):
    """Said, and status 1: nothing came in."""
    done = bring("items", "i.csv", "item_id\n")
    assert (done.status, "the file has no rows" in done.err) == (1, True)


def test_rows_of_csv_that_are_broken(bring, stored):
    """A row of another length and bytes that are no UTF-8 are told by their line; the rest comes in."""
    done = bring("items", "i.csv", b'item_id,title\na,"two\nlines"\nb\nc,\xff\nd,ok\n')
    assert done.status == 0
    assert "i.csv:4: found 1 fields, expected 2" in done.err
    assert "i.csv:5: not UTF-8" in done.err
    assert stored("item", "item_id, title") == [("a", "two\nlines"), ("d", "ok")]


def test_the_longest_ids_fit(bring, stored):
    """No id that is taken is too long for an index, whatever its characters; one row cannot stop the others."""
    import random

    rng = random.Random(1)
    item, user = ("".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(512)) for _ in range(2))
    kind = "".join(chr(rng.randrange(0x20000, 0x2A6D0)) for _ in range(64))
    line = json.dumps({"user_id": user, "item_id": item, "event_type": kind, "ts": 1, "surface": kind})
    assert bring("events", "e.jsonl", line).status == 0
    assert bring("items", "i.jsonl", json.dumps({"item_id": item, "tags": [user], "title": user * 3})).status == 0
    assert stored("event", "item_id") == stored("item", "item_id") == [(item,)]


def test_a_catalogue_of_any_size(bring, stored):
    """Twenty thousand items come in whole."""
    text = "item_id,tags\n" + "".join(f"item-{n},t{n % 7}\n" for n in range(20_000))
    assert bring("items", "i.csv", text).out == "20,000 rows: 20,000 items stored, 0 bad\n"
    assert len(stored("item", "item_id")) == 20_000


def test_an_unknown_tenant(env, tmp_path):
    """The nearest known one is named, and no file is read."""
    assert cli("tenant", "create", "shop", env=env).status == 0
    done = cli("import", "items", tmp_path / "none.csv", "--tenant", "shopp", env=env)
    assert (done.status, "no such tenant" in done.err, "'shop'" in done.err) == (1, True, True)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.integers(10**300, 10**310) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


def taken(parse):
    """What ``parse`` makes of a row, and why it took none: one of the two is None."""
    try:
        return parse(), None
    except BadRowError as bad:
        return None, str(bad)


@given(st.dictionaries(st.sampled_from(rows.ITEM_FIELDS), ANYTHING))
def test_any_item_row_is_taken_or_refused_in_words(row):
    """No row makes the parser fail in another way, and what it takes the database can keep."""
    found, why = taken(lambda: rows.item(row))
    assert (found is None) == bool(why)
    if found is not None:
        for text in (found.item_id, found.title, found.brand, found.category, *found.tags):
            assert text is None or "\0" not in text.encode().decode()
        assert found.created_at is None or found.created_at.tzinfo is not None


@given(st.dictionaries(st.sampled_from(rows.EVENT_FIELDS), ANYTHING))
def test_any_event_row_is_taken_or_refused_in_words(row):
    """No row makes the parser fail in another way; the raw user id is not in its words."""
    found, why = taken(lambda: rows.event(row, pseudonym))
    assert (found is None) == bool(why)
    others = [value for name, value in row.items() if name != "user_id"]
    user = row.get("user_id")
    if isinstance(user, str) and len(user) > 20 and user not in others:
        assert user not in (why or "")


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 12, 30), timezones=OFFSETS))
def test_instants_are_read_as_they_are_written(moment):
    """RFC 3339 with any offset is the same instant, and so are seconds since 1970, as a number or as text."""
    row = {"user_id": "u", "item_id": "i", "event_type": "e"}
    assert rows.event(row | {"ts": moment.isoformat()}, pseudonym).ts == moment
    seconds = int(moment.timestamp())
    assert rows.event(row | {"ts": seconds}, pseudonym).ts.timestamp() == seconds
    assert rows.event(row | {"ts": str(seconds)}, pseudonym).ts.timestamp() == seconds


def test_usage_of_columns_is_checked_first():
    """A field that does not exist is refused before a file is opened."""
    with pytest.raises(UsageError, match="event_type"):
        Columns(EVENT_FIELDS, EVENT_NEEDED, ["kind=event_typ"])


def test_movielens(bring, stored, real_data):
    """MovieLens 100K as it is shipped: 1,682 items with genres as tags, 100,000 ratings of 943 users."""
    folder = real_data("ml_100k")
    items = bring(
        "items", "ml-100k.item", (folder / "ml-100k.item").read_bytes(),
        "--map", "item_id:token=item_id", "--map", "class:token_seq=tags", "--map", "movie_title:token_seq=title",
    )  # fmt: skip
    assert items.out == "1,682 rows: 1,682 items stored, 0 bad\n", items.err
    events = bring(
        "events", "ml-100k.inter", (folder / "ml-100k.inter").read_bytes(), "--map", "user_id:token=user_id",
        "--map", "item_id:token=item_id", "--map", "timestamp:float=ts", "--map", "rating:float=value",
    )  # fmt: skip
    assert events.out == "100,000 rows: 100,000 events stored, 0 bad\n", events.err
    assert stored("item", "item_id, tags, title")[0] == ("1", ["Animation", "Children's", "Comedy"], "Toy Story")
    assert len({user for (user,) in stored("event", "user_id")}) == 943

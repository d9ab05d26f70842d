"""Settings of the service: environment variables, read once, checked at start.

``SETTINGS`` is the whole table, from which the reference page is generated too. A value that cannot be read stops the
start and names its variable; a name that looks like a setting and is none is warned of, with the nearest known one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from recsys.contracts.config import MAX_K
from recsys.errors import ConfigError, RecsysError, nearest
from recsys.eventlog.writing.writer import MAX_WAITING, SEGMENT_BYTES, Compression, LogSettings, OnError
from recsys.objectstore import check_url
from recsys.service.variables import Variable, address, boolean, database_url, decimal, names, one_of, text, whole

PRODUCTION = "production"
ENVIRONMENTS = ("development", "test", "staging", PRODUCTION)
LOG_LEVELS = ("debug", "info", "warning", "error")
EXPOSURE_FORMATS = ("service_v1", "eval_v1")
LATER_PREFIXES = ("AUDIT_LOG_", "CORS_", "JWT_", "RECSYS_ARTIFACT_", "RECSYS_BACKPRESSURE_", "TENANT_RATE_LIMIT_")
OWN_PREFIXES = (*LATER_PREFIXES, "EXPOSURE_", "OUTCOME_LOG_", "ASSIGNMENT_LOG_", "RECSYS_", "EXPERIMENT_")
RETENTION_DAYS = 30
_LOG_PARTS = ("FSYNC", "RETENTION_DAYS", "ON_ERROR", "MAX_WAITING", "SEGMENT_BYTES", "COMPRESSION", "ARCHIVE_URL")
FOREIGN = frozenset({"RECSYS_TEST_DATA", "RECSYS_TEST_REQUIRE", "RECSYS_TEST_CHROMIUM"})


class Log(Struct, frozen=True, kw_only=True):
    """One log: where it goes, and for how many days a folder keeps its files. ``path`` None: not enabled."""

    path: str | None
    fsync: bool
    retention_days: int | None
    on_error: OnError
    max_waiting: int
    segment_bytes: int
    compression: Compression
    archive_url: str | None

    def writer_settings(self) -> LogSettings | None:
        """What the writer wants; None where the log is not enabled. A folder keeps 30 days unless told otherwise."""
        if self.path is None:
            return None
        settings = LogSettings(
            path=self.path, fsync=self.fsync, retention_days=self.retention_days, on_error=self.on_error,
            max_waiting=self.max_waiting, segment_bytes=self.segment_bytes, compression=self.compression,
            archive_url=self.archive_url,
        )  # fmt: skip
        if settings.is_folder and self.retention_days is None:
            return replace(settings, retention_days=RETENTION_DAYS)
        return settings


class Settings(Struct, frozen=True, kw_only=True):
    """All settings, typed. ``host`` and ``port`` are ``API_ADDR``."""

    host: str
    port: int
    env: str
    log_level: str
    data_dir: Path
    database_url: str | None
    migrate_on_start: bool
    dev_auth: bool
    max_body_bytes: int
    refresh_s: float
    exposure: Log
    exposure_format: str
    outcome: Log
    assignment: Log
    hash_salt: str | None
    previous_salt: str | None
    assignment_enabled: bool
    assignment_salt: str | None
    default_variants: tuple[str, ...]
    half_life_days: float
    covis_window_days: float
    max_k: int

    @property
    def production(self) -> bool:
        """Whether weak settings are refused."""
        return self.env == PRODUCTION

    def __repr__(self) -> str:  # secrets stay out of logs and errors
        return f"Settings(env={self.env!r}, host={self.host!r}, port={self.port})"


def _log_rows(log: str) -> tuple[Variable, ...]:
    upper = f"{log.upper()}_LOG_"
    return (
        Variable(f"{upper}ENABLED", boolean, None,
                 f"Whether the {log} log is written; true when a path is set.", "boolean"),
        Variable(f"{upper}PATH", text, None, "A file; or a folder, when it exists as one or ends in /.", "path"),
        Variable(f"{upper}FSYNC", boolean, "false", "Flush each line to the disk before the reply.", "boolean"),
        Variable(f"{upper}RETENTION_DAYS", whole(1, 36_500), None,
                 f"Days that a folder keeps its files ({RETENTION_DAYS}); refused beside a file.", "days"),
        *([] if log == "outcome" else [
            Variable(f"{upper}ON_ERROR", one_of("serve", "fail"), "serve",
                     f"When an {log} cannot be written: serve (200 with EXPOSURE_NOT_LOGGED) or fail (503).", "word"),
        ]),
        Variable(f"{upper}MAX_WAITING", whole(1, 1_000_000), str(MAX_WAITING),
                 "With FSYNC, lines that may wait for the disk; beyond it requests are told to come again (503).",
                 "lines"),
        Variable(f"{upper}SEGMENT_BYTES", whole(1 << 16, 1 << 40), str(SEGMENT_BYTES),
                 "In a folder, the size at which a writer begins another segment.", "bytes"),
        Variable(f"{upper}COMPRESSION", one_of("none", "zstd"), "none",
                 "In a folder, whether closed segments are compressed; refused beside a file.", "word"),
        Variable(f"{upper}ARCHIVE_URL", text, None,
                 "Where a folder's closed segments are moved: s3://, gs://, az:// or file://; refused beside a file.",
                 "URL", secret=True),
    )  # fmt: skip


SETTINGS: tuple[Variable, ...] = (
    Variable("API_ADDR", address, "127.0.0.1:8000", "Where the service listens.", "host:port"),
    Variable("ENV", one_of(*ENVIRONMENTS), "development", "production refuses weak settings.", "word"),
    Variable("LOG_LEVEL", one_of(*LOG_LEVELS), "info", "How much the service says on stderr.", "word"),
    Variable("RECSYS_DATA_DIR", text, "./.recsys",
             "Where the embedded database and the development salt are kept.", "path"),
    Variable("DATABASE_URL", database_url, None,
             "PostgreSQL; outside production an embedded one is started where this is unset.", "URL", secret=True),
    Variable("DATABASE_URL_FILE", text, None, "A file that holds DATABASE_URL.", "path"),
    Variable("MIGRATE_ON_START", boolean, None,
             "Bring the schema up to date when serving; true with the embedded database.", "boolean"),
    Variable("DEV_AUTH_ENABLED", boolean, "false",
             "Trust X-Dev-User-Id and X-Dev-Org-Id; refused in production.", "boolean"),
    Variable("RECSYS_MAX_BODY_BYTES", whole(1_024, 1 << 30), str(8 << 20), "The largest request body.", "bytes"),
    Variable("RECSYS_SNAPSHOT_REFRESH", decimal(0.1, 3_600), "1",
             "How often each worker looks for changed data.", "seconds"),
    *_log_rows("exposure"),
    Variable("EXPOSURE_LOG_FORMAT", one_of(*EXPOSURE_FORMATS), "service_v1",
             "service_v1 for audit, eval_v1 for evaluation.", "word"),
    Variable("EXPOSURE_HASH_SALT", text, None,
             "The secret of the pseudonyms; in production at least 32 bytes, elsewhere made once.", "secret",
             secret=True),
    Variable("EXPOSURE_HASH_SALT_PREVIOUS", text, None,
             "The salt before this one, while logs of both are joined: the log notes who was who.", "secret",
             secret=True),
    *_log_rows("outcome"),
    *_log_rows("assignment"),
    Variable("EXPERIMENT_ASSIGNMENT_ENABLED", boolean, "false",
             "Assign variants to requests that name an experiment without one.", "boolean"),
    Variable("EXPERIMENT_ASSIGNMENT_SALT", text, None,
             "The secret of the assignment; needed when it is enabled.", "secret", secret=True),
    Variable("EXPERIMENT_DEFAULT_VARIANTS", names, "",
             "Variants of experiments that a tenant's configuration does not have, such as A,B.", "words"),
    Variable("RECSYS_ALGO_HALF_LIFE_DAYS", decimal(0.01, 36_500), "30", "After so long an event counts half.", "days"),
    Variable("RECSYS_ALGO_COVIS_WINDOW_DAYS", decimal(0.01, 36_500), "30",
             "How far back co-visitation looks.", "days"),
    Variable("RECSYS_ALGO_MAX_K", whole(1, MAX_K), str(MAX_K),
             "The longest list that any tenant may ask for; a tenant's limits.max_k can only be lower.", "items"),
)  # fmt: skip
"""Every setting."""


def load(environment: Mapping[str, str]) -> tuple[Settings, list[str]]:
    """The settings of ``environment``, and warnings; ConfigError names the variable that cannot be used."""
    values = {row.name: _value(row, environment) for row in SETTINGS}
    host, port = values["API_ADDR"]
    url = _url(values, environment)
    settings = Settings(
        host=host,
        port=port,
        env=values["ENV"],
        log_level=values["LOG_LEVEL"],
        data_dir=Path(values["RECSYS_DATA_DIR"]).absolute(),
        database_url=url,
        migrate_on_start=_default(values["MIGRATE_ON_START"], url is None),
        dev_auth=values["DEV_AUTH_ENABLED"],
        max_body_bytes=values["RECSYS_MAX_BODY_BYTES"],
        refresh_s=values["RECSYS_SNAPSHOT_REFRESH"],
        exposure=_log("EXPOSURE", values),
        exposure_format=values["EXPOSURE_LOG_FORMAT"],
        outcome=_log("OUTCOME", values),
        assignment=_log("ASSIGNMENT", values),
        hash_salt=values["EXPOSURE_HASH_SALT"],
        previous_salt=values["EXPOSURE_HASH_SALT_PREVIOUS"],
        assignment_enabled=values["EXPERIMENT_ASSIGNMENT_ENABLED"],
        assignment_salt=values["EXPERIMENT_ASSIGNMENT_SALT"],
        default_variants=values["EXPERIMENT_DEFAULT_VARIANTS"],
        half_life_days=values["RECSYS_ALGO_HALF_LIFE_DAYS"],
        covis_window_days=values["RECSYS_ALGO_COVIS_WINDOW_DAYS"],
        max_k=values["RECSYS_ALGO_MAX_K"],
    )
    _check(settings)
    return settings, [*unknown_names(environment), *idle_names(settings, environment)]


def unknown_names(environment: Mapping[str, str]) -> list[str]:
    """A warning for each name that looks like a setting and is none."""
    known = [row.name for row in SETTINGS]
    strange = sorted(
        name for name in environment if name.startswith(OWN_PREFIXES) and name not in known and name not in FOREIGN
    )
    return [_strange(name, known) for name in strange]


def _strange(name: str, known: list[str]) -> str:
    if name.startswith(LATER_PREFIXES):
        return f"{name} is not available in this version and has no effect."
    return f"{name} is not a setting and has no effect. {nearest(name, known)}"


def idle_names(settings: Settings, environment: Mapping[str, str]) -> list[str]:
    """A warning for each setting that is given and does nothing beside the others."""
    logs = {"EXPOSURE": settings.exposure, "OUTCOME": settings.outcome, "ASSIGNMENT": settings.assignment}
    idle = [(f"{name}_LOG_{part}", why) for name, log in logs.items() for part, why in _idle_parts(name, log)]
    if settings.exposure.path is None:
        idle.append(("EXPOSURE_LOG_FORMAT", "EXPOSURE_LOG_PATH is not set or EXPOSURE_LOG_ENABLED is false"))
    if settings.exposure.path is None and settings.outcome.path is None:
        idle.append(("EXPOSURE_HASH_SALT_PREVIOUS", "neither exposures nor outcomes are logged"))
    if not settings.assignment_enabled:
        idle += [
            (name, "EXPERIMENT_ASSIGNMENT_ENABLED is not true")
            for name in ("EXPERIMENT_ASSIGNMENT_SALT", "EXPERIMENT_DEFAULT_VARIANTS")
        ]
    known = {row.name for row in SETTINGS}
    return [f"{name} has no effect: {why}." for name, why in idle if name in known and environment.get(name)]


def _idle_parts(name: str, log: Log) -> Iterator[tuple[str, str]]:
    """The settings of a log that do nothing beside the others, and why."""
    settings = log.writer_settings()
    if settings is None:
        yield from ((part, f"{name}_LOG_PATH is not set or {name}_LOG_ENABLED is false") for part in _LOG_PARTS)
        return
    if not settings.fsync:
        yield "MAX_WAITING", f"without {name}_LOG_FSYNC no line waits"
    if not settings.is_folder:
        yield "SEGMENT_BYTES", f"{name}_LOG_PATH is a file"
    elif settings.archive_url is not None:
        yield "RETENTION_DAYS", f"with {name}_LOG_ARCHIVE_URL segments leave the folder by being archived"


def _value(row: Variable, environment: Mapping[str, str]) -> Any:
    given = environment.get(row.name) or row.default
    return None if given is None else row.read(row.name, given)


def _default(value: bool | None, otherwise: bool) -> bool:
    return otherwise if value is None else value


def _url(values: Mapping[str, Any], environment: Mapping[str, str]) -> str | None:
    path = values["DATABASE_URL_FILE"]
    if path is None:
        return values["DATABASE_URL"]
    if environment.get("DATABASE_URL"):
        raise ConfigError("both are set", where="DATABASE_URL, DATABASE_URL_FILE", expected="one of them")
    try:
        found = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        told = (error.strerror if isinstance(error, OSError) else None) or "not UTF-8 text"
        raise ConfigError("the file cannot be read", where=f"DATABASE_URL_FILE {path}", found=told) from None
    return database_url("DATABASE_URL_FILE", found)


def _log(name: str, values: Mapping[str, Any]) -> Log:
    path, enabled = values[f"{name}_LOG_PATH"], values[f"{name}_LOG_ENABLED"]
    if enabled and path is None:
        raise ConfigError(
            "the log is enabled and has no path", where=f"{name}_LOG_PATH", expected="a file or a folder/"
        )
    return Log(
        path=None if enabled is False else path,
        fsync=values[f"{name}_LOG_FSYNC"],
        retention_days=values[f"{name}_LOG_RETENTION_DAYS"],
        on_error=values.get(f"{name}_LOG_ON_ERROR", "fail"),  # outcomes are refused, so that they are sent again
        max_waiting=values[f"{name}_LOG_MAX_WAITING"],
        segment_bytes=values[f"{name}_LOG_SEGMENT_BYTES"],
        compression=values[f"{name}_LOG_COMPRESSION"],
        archive_url=values[f"{name}_LOG_ARCHIVE_URL"],
    )


def _check(settings: Settings) -> None:
    """Settings that cannot stand together, and weak ones in production."""
    for name, log in (
        ("EXPOSURE", settings.exposure),
        ("OUTCOME", settings.outcome),
        ("ASSIGNMENT", settings.assignment),
    ):
        if log.path is not None and log.retention_days is not None:
            _check_retention(name, log)
        if log.path is not None and (log.compression != "none" or log.archive_url is not None):
            _check_segments(name, log)
    _check_distinct(settings)
    if settings.previous_salt is not None and settings.previous_salt == settings.hash_salt:
        raise ConfigError("both salts are the same", where="EXPOSURE_HASH_SALT_PREVIOUS", expected="the one before")
    if settings.assignment_enabled and not settings.assignment_salt:
        raise ConfigError(
            "assignment needs a salt", where="EXPERIMENT_ASSIGNMENT_SALT", found="nothing", expected="a secret text"
        )
    if not settings.production:
        return
    if settings.dev_auth:
        raise ConfigError("refused in production", where="DEV_AUTH_ENABLED", found="true", hint="Use API keys.")
    if settings.database_url is None:
        hint = "The embedded database is for development."
        raise ConfigError("needed in production", where="DATABASE_URL", found="nothing", hint=hint)


def _check_distinct(settings: Settings) -> None:
    """Two kinds of records in one file could not be read again; folders hold a file for each kind."""
    taken: dict[Path, str] = {}
    logs = {"EXPOSURE": settings.exposure, "OUTCOME": settings.outcome, "ASSIGNMENT": settings.assignment}
    for name, log in logs.items():
        if log.path is not None and not LogSettings(path=log.path).is_folder:
            other = taken.setdefault(Path(log.path).resolve(), name)
            if other != name:
                found = f"the file of {other}_LOG_PATH"
                raise ConfigError("each log needs a file of its own", where=f"{name}_LOG_PATH", found=found)


def _check_segments(name: str, log: Log) -> None:
    if log.archive_url is not None:
        try:
            check_url(log.archive_url)
        except RecsysError as error:
            raise ConfigError(
                error.problem,
                where=f"{name}_LOG_ARCHIVE_URL",
                found=error.found,
                expected=error.expected,
                hint=error.hint,
            ) from None
    if not LogSettings(path=log.path or "").is_folder:
        part = "COMPRESSION" if log.compression != "none" else "ARCHIVE_URL"
        raise ConfigError(
            "only closed segments of a folder are compressed or archived",
            where=f"{name}_LOG_{part}",
            found=f"{name}_LOG_PATH is a file",
            hint="End the path with / for daily files, or leave it to logrotate.",
        )


def _check_retention(name: str, log: Log) -> None:
    if not LogSettings(path=log.path or "").is_folder:
        raise ConfigError(
            "retention needs a folder",
            where=f"{name}_LOG_RETENTION_DAYS",
            found=f"{name}_LOG_PATH is a file",
            hint="End the path with / for daily files, or leave the retention to logrotate.",
        )

"""Metrics in the text format of Prometheus: what the logs write, what they could not, and how long it took.

Every worker counts in files of one folder (``PROMETHEUS_MULTIPROC_DIR``, made by ``recsys-service serve``), so that
whichever worker is asked answers for all of them. Without the folder a process answers for itself.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from recsys.eventlog.writing.observer import Observer
from recsys.eventlog.writing.writer import LogWriter

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
SECONDS = (0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

_registry = CollectorRegistry()


def _counter(name: str, meaning: str) -> Counter:
    return Counter(f"recsys_log_{name}", meaning, ["log"], registry=_registry)


_written = _counter("written_lines", "Lines that were written.")
_bytes = _counter("written_bytes", "Bytes that were written.")
_failed = _counter("failed_lines", "Lines that could not be written.")
_flagged = _counter("flagged_replies", "Answers that say EXPOSURE_NOT_LOGGED, or that were refused for want of a log.")
_shed = _counter("shed_requests", "Requests that were told to come again, for too many lines waited for the disk.")
_torn = _counter("torn_tails", "Unfinished records that were cut off and kept in *.torn.")
_gaps = _counter("gaps", "Gaps that are over and recorded in the index.")
_gap_records = _counter("gap_records", "Records that are missing in those gaps.")
_flush_failures = _counter("flush_failures", "Flushes that failed; each made its file be left.")
_sealed = _counter("sealed_segments", "Segments that were closed.")
_commit_seconds = Histogram(
    "recsys_log_commit_seconds", "How long a commit took, flush included.", ["log"], buckets=SECONDS, registry=_registry
)
_batch_lines = Histogram(
    "recsys_log_batch_lines", "Lines that were committed at once.", ["log"], buckets=BATCHES, registry=_registry
)
_waiting = Gauge(
    "recsys_log_waiting_lines",
    "Lines that wait for the disk.",
    ["log"],
    registry=_registry,
    multiprocess_mode="livesum",
)
_age = Gauge(
    "recsys_log_segment_age_seconds", "Age of the oldest file that is written to.", ["log"], registry=_registry,
    multiprocess_mode="livemax",
)  # fmt: skip
_writable = Gauge(
    "recsys_log_writable", "1 where the last lines could be written, 0 where a worker's could not.", ["log"],
    registry=_registry, multiprocess_mode="livemin",
)  # fmt: skip


class LogMetrics(Observer):
    """What one log of this process tells."""

    def __init__(self, log: str) -> None:
        self._written, self._bytes = _written.labels(log), _bytes.labels(log)
        self._new_lines = self._new_bytes = 0
        self._failed, self._flagged, self._shed = _failed.labels(log), _flagged.labels(log), _shed.labels(log)
        self._torn, self._gaps, self._gap_records = _torn.labels(log), _gaps.labels(log), _gap_records.labels(log)
        self._flush_failures, self._sealed = _flush_failures.labels(log), _sealed.labels(log)
        self._commit_seconds, self._batch_lines = _commit_seconds.labels(log), _batch_lines.labels(log)
        self._waiting, self._age, self._writable = _waiting.labels(log), _age.labels(log), _writable.labels(log)

    def committed(self, lines: int, size: int, seconds: float) -> None:
        """Count a commit."""
        self._new_lines += lines  # given on every second
        self._new_bytes += size
        self._commit_seconds.observe(seconds)
        self._batch_lines.observe(lines)

    def failed(self, lines: int) -> None:
        """Count lines that are in no log."""
        self._failed.inc(lines)
        self._writable.set(0)  # at once; that it is writable again is seen a second later

    def torn(self, size: int) -> None:  # noqa: ARG002 - torn tails are counted, not weighed
        """Count a torn tail."""
        self._torn.inc()

    def gap(self, count: int) -> None:
        """Count a gap that is over."""
        self._gaps.inc()
        self._gap_records.inc(count)

    def flush_failed(self) -> None:
        """Count a failed flush."""
        self._flush_failures.inc()

    def sealed(self) -> None:
        """Count a closed segment."""
        self._sealed.inc()

    def flagged(self) -> None:
        """Count an answer that says that its record is not logged."""
        self._flagged.inc()

    def shed(self) -> None:
        """Count a request that was told to come again."""
        self._shed.inc()

    def look_at(self, writer: LogWriter, now: datetime) -> None:
        """Take the figures that are not events, and give on what was written since the last look."""
        lines, size = self._new_lines, self._new_bytes
        self._written.inc(lines)
        self._bytes.inc(size)
        self._new_lines -= lines
        self._new_bytes -= size
        self._waiting.set(writer.waiting)
        self._age.set(0 if writer.opened is None else max((now - writer.opened).total_seconds(), 0))
        self._writable.set(writer.writable)


def page() -> bytes:
    """All metrics, of all workers."""
    if FOLDER not in os.environ:
        return generate_latest(_registry)
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)
    return generate_latest(together)


def forget_all_but(pids: Collection[int | None]) -> None:
    """Workers other than these have ended, however that came: what they last said of the moment no longer counts; what
    they counted stays."""
    said = {int(path.stem.rpartition("_")[2]) for path in Path(os.environ[FOLDER]).glob("gauge_live*_*.db")}
    for pid in said.difference(pids):
        multiprocess.mark_process_dead(pid)

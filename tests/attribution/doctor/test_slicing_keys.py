"""Slicing keys that are absent, or spelt otherwise: in part of a log, all of it, one of the logs, and their values."""

import pytest

from doctor_findings import found, only, planted
from doctor_world import examine, stamp


def contexts(rows, change, chosen=lambda context: True):
    """Changes the chosen contexts; returns how many."""
    chosen = [row["context"] for row in rows if chosen(row["context"])]
    for context in chosen:
        change(context)
    return len(chosen)


def rename(old, new):
    def change(context):
        context[new] = context.pop(old)

    return change


def test_a_healthy_log_is_silent():
    """An outcome log without these keys, or without a context, is no finding: slices come through the exposure."""
    shown, done, assigned = planted()
    for row in done:
        del row["context"]
    assert examine(shown, done, assigned).findings == []


def test_another_page_of_the_outcome_is_healthy():
    """People who saw a list on one page may buy on another: that is no other name for the page."""
    shown, done, assigned = planted()
    contexts(done, lambda context: context.update(surface="checkout"), lambda context: context["device"] == "web")
    assert examine(shown, done, assigned).findings == []


def test_a_key_that_part_of_the_log_lacks():
    """Exposures of one device from a moment on lack the surface: to the row, with device and moment."""
    shown, done, assigned = planted()
    late = [row for row in shown if row["ts"] >= "2026-02-03T12"]
    n = contexts(late, lambda context: context.pop("surface"), lambda context: context["device"] == "app")
    finding = only(examine(shown, done, assigned), "slicing_keys", "surface")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(shown))
    assert "have no surface in their context, mostly of device=app, since 2026-02-03 1" in finding.cause
    assert stamp(finding.evidence.onset) == min(row["ts"] for row in shown if "surface" not in row["context"])


@pytest.mark.parametrize("key", ["tenant_id", "surface"])
def test_a_key_that_nobody_writes(key):
    """Absent in every row of both logs: nobody slices, a warning."""
    shown, done, assigned = planted()
    n = contexts(shown, lambda context: context.pop(key))
    contexts(done, lambda context: context.pop(key, None))
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", key, n)
    assert "Keys of the exposures' contexts: algo_version, app_version, device" in finding.evidence.facts[0]


def test_no_context_at_all():
    """Both keys are absent in the same rows, so one finding explains the other."""
    shown, done, assigned = planted()
    for row in shown + done:
        del row["context"]
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject) == ("warning", "tenant_id")
    assert [each.subject for each in finding.nested] == ["surface"]


def test_a_blank_key_is_none():
    """A blank value is as good as none."""
    shown, done, assigned = planted()
    n = contexts(shown[::7], lambda context: context.update(tenant_id=" "))
    finding = only(examine(shown, done, assigned), "slicing_keys", "tenant_id")
    assert finding.evidence.rows == n


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("tenant_id", "tenant"), ("tenant_id", "tenantId"), ("tenant_id", "tennant_id"), ("surface", "Surface"),
        ("surface", "page_surface"), ("surface", "surfcae"),
    ],
)  # fmt: skip
def test_exposures_that_spell_a_key_otherwise(key, name):
    """The key is missing in the exposures, and the finding says as what it stands there."""
    shown, done, assigned = planted()
    n = contexts(shown, rename(key, name))
    finding = only(examine(shown, done, assigned), "slicing_keys", key)
    assert (finding.severity, finding.evidence.rows) == ("serious", n)
    assert finding.cause == f"All exposures have no {key} in their context: it stands as {name} in them."
    assert f"rename {name}" in finding.fix


def test_outcomes_that_have_what_exposures_lack():
    """A key of the outcomes alone makes slices of outcomes without exposures."""
    shown, done, assigned = planted()
    n = contexts(shown, lambda context: context.pop("surface"))
    finding = only(examine(shown, done, assigned), "slicing_keys", "surface")
    assert (finding.severity, finding.evidence.rows) == ("serious", n)
    assert "while outcomes have it: its slices hold outcomes without exposures" in finding.cause


@pytest.mark.parametrize(("key", "name"), [("surface", "Surface"), ("surface", "pageSurface"), ("tenant_id", "tenant")])
def test_keys_spelt_differently_in_the_two_logs(key, name):
    """The outcomes' key has the values of the exposures' under another name; orphans make it serious."""
    shown, done, assigned = planted()
    n = contexts(done, rename(key, name), lambda context: key in context)
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", f"{key} key", n)
    assert finding.cause == f"The logs name one key differently: {key} in exposures, {name} in outcomes."
    finding = found(examine(shown[: len(shown) // 2], done, assigned), "slicing_keys")[f"{key} key"]
    assert finding.severity == "serious"


def test_values_spelt_differently_in_the_two_logs():
    """Other spellings in the outcomes are counted to the row; a warning as long as every outcome finds its exposure."""
    shown, done, assigned = planted()
    n = contexts(done, lambda context: context.update(surface="Home"), lambda context: context["surface"] == "home")
    n += contexts(
        done, lambda context: context.update(surface="item-page"), lambda context: context["surface"] == "item_page"
    )
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", "surface values", n)
    assert "Home for home in" in finding.cause
    assert "item-page for item_page in" in finding.cause
    lost = {row["request_id"] for row in shown[::5]}
    wrong = sum(row["request_id"] in lost and row["context"]["surface"] != "cart" for row in done)
    kept = [row for row in shown if row["request_id"] not in lost]
    finding = found(examine(kept, done, assigned), "slicing_keys")["surface values"]
    assert (finding.severity, finding.evidence.rows) == ("serious", n)
    assert f"; {wrong} that found no exposure count in a slice of that name." in finding.cause


def test_values_spelt_in_several_ways_in_one_log():
    """The rarer spelling of the exposures is counted: each is a slice of its own."""
    shown, done, assigned = planted()
    n = contexts(
        shown[::4], lambda context: context.update(surface="HOME"), lambda context: context["surface"] == "home"
    )
    finding = only(examine(shown, done, assigned), "slicing_keys", "surface spelling")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(shown))
    assert f"HOME for home in {n} rows" in finding.cause


def test_other_names_for_all_values():
    """Pages that outcomes call otherwise, one for one."""
    shown, done, assigned = planted()
    names = {"home": "start", "item_page": "pdp", "cart": "basket"}
    n = contexts(done, lambda context: context.update(surface=names[context["surface"]]))
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject, finding.evidence.rows) == ("warning", "surface values", n)
    assert all(f"{new} for {old} in" in finding.cause for old, new in names.items())


def test_outcomes_of_another_tenant():
    """An outcome of another tenant than its exposure's is a contradiction, whatever the tenants are called."""
    shown, done, assigned = planted()
    n = contexts(done[::6], lambda context: context.update(tenant_id="other"))
    finding = only(examine(shown, done, assigned), "slicing_keys", "tenant_id against exposures")
    assert (finding.severity, finding.evidence.rows, finding.evidence.of) == ("serious", n, len(done))


def test_spellings_of_other_keys_are_a_warning():
    """Countries in two spellings are looked at, but the report's slices are right."""
    shown, done, assigned = planted()
    for place, row in enumerate(shown):
        row["context"]["country"] = ("de", "fr", "DE")[place % 3]
    [finding] = examine(shown, done, assigned).findings
    assert (finding.severity, finding.subject) == ("warning", "country spelling")
    assert finding.evidence.rows == sum(row["context"]["country"] == "DE" for row in shown)


def test_versions_are_no_spellings():
    """1.10 and 11.0 are two versions."""
    shown, done, assigned = planted()
    for place, row in enumerate(shown):
        row["context"]["app_version"] = ("1.10", "11.0", "1.1.0")[place % 3]
    for row in done:
        del row["context"]["app_version"]
    assert examine(shown, done, assigned).findings == []


def test_values_that_could_be_somebodys_are_not_told():
    """A value that may be a person's is told by its length."""
    shown, done, assigned = planted()
    contexts(shown[::3], lambda context: context.update(surface="Jane@Example.org"))
    contexts(shown[1::3], lambda context: context.update(surface="jane@example.org"))
    finding = found(examine(shown, done, assigned), "slicing_keys")["surface spelling"]
    assert "example" not in finding.cause.lower()
    assert "(a value of 16 characters)" in finding.cause


def test_small_logs():
    """No exposure, no finding; one exposure without keys, a warning."""
    shown, done, assigned = planted()
    assert found(examine([], done, assigned), "slicing_keys") == {}
    row = {**shown[0], "context": {}}
    assert {each.severity for each in found(examine([row], []), "slicing_keys").values()} == {"warning"}

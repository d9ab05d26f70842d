"""The page of error rates holds what the simulations say, and what they say is within the bounds."""

import pytest

import error_rates
from error_rates import COMMAND, GROUPS, PAGE, Row, sections, table, written


def page():
    return PAGE.read_text(encoding="utf-8")


def test_the_page_has_a_table_for_every_simulation():
    """And no others, in the same order."""
    assert list(sections(page())) == list(GROUPS)


def test_a_rate_is_within_its_bound_or_not():
    """With one bound the end of the 99 % interval counts, with two the rate; without any everything is within."""
    assert Row("a", 10, 1_000, high=0.025).within()
    assert not Row("the rate is within and its interval is not", 22, 1_000, high=0.025).within()
    assert Row("a", 60, 60, low=0.9).within()
    assert not Row("too few runs", 20, 20, low=0.9).within()
    assert Row("a", 955, 1_000, low=0.94, high=0.96).within()
    assert not Row("a", 961, 1_000, low=0.94, high=0.96).within()
    assert not Row("a", 939, 1_000, low=0.94, high=0.96).within()
    assert Row("a", 0, 10).within()


def test_a_table_is_replaced_where_it_is():
    """Under its heading, the first time and again, and nowhere else."""
    empty = "# Page\n\n### One\n\n### Two\n\nwords\n"
    once = written(empty, "One", [Row("a", 1, 4)])
    assert once == empty.replace("### One\n\n", f"### One\n\n{table([Row('a', 1, 4)])}\n\n")
    assert sections(once) == {"One": table([Row("a", 1, 4)])}
    again = written(once, "One", [Row("b", 1, 2, high=0.5)])
    assert again == once.replace("| a | 4 | 25.00 % | 21.65 % | none |", "| b | 2 | 50.00 % | 35.36 % | at most 50 % |")
    with pytest.raises(ValueError, match="no heading"):
        written(empty, "Three", [])


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("title", GROUPS)
def test_the_rates_are_those_of_the_page(title):
    """Computed anew, every rate is within its bound, and to the last digit the one on the page."""
    rows = GROUPS[title]()
    print(f"\n{title}\n{table(rows)}")
    assert [str(row) for row in rows if not row.within()] == []
    assert sections(page())[title] == table(rows), f"other rates than on the page: write them anew with {COMMAND}"


def test_the_command_names_its_file():
    """What a failure says to run is there."""
    assert (PAGE.parents[2] / COMMAND.split()[-1]).samefile(error_rates.__file__)

"""Lists taken apart in Spark's words: it has one function for an item with its place, and counts places from 0."""

from __future__ import annotations

from sqlglot import exp

FROM_0 = "place_from_0"


def number_places(tree: exp.Expr) -> None:
    """Rewrite each ``SELECT unnest(list) AS item, generate_subscripts(list, 1) AS place``, with what stands beside it,
    into one that joins each row with its list's items and their places."""
    for select in list(tree.find_all(exp.Select)):
        items = _named(select, lambda node: isinstance(node, exp.Explode))
        places = _named(select, lambda node: isinstance(node, exp.Anonymous) and node.name == "generate_subscripts")
        if items is None or places is None:
            continue
        columns = [exp.to_identifier(FROM_0), exp.to_identifier(items.alias)]
        listed = exp.Posexplode(this=items.this.this.copy())
        alias = exp.TableAlias(this=exp.to_identifier("listed"), columns=columns)
        select.append("laterals", exp.Lateral(this=listed, view=True, alias=alias))
        items.replace(exp.column(items.alias))
        places.replace(exp.alias_(exp.Add(this=exp.column(FROM_0), expression=exp.Literal.number(1)), places.alias))


def _named(select: exp.Select, wanted) -> exp.Alias | None:  # noqa: ANN001 - a test of an expression
    return next((part for part in select.expressions if isinstance(part, exp.Alias) and wanted(part.this)), None)

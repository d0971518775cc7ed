"""Texts of genotypes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces.errors import InvalidFile
from spaces.formats.genotype import (
    Edge,
    Genotype,
    format_aw_nas,
    format_darts,
    looks_like_genotype,
    parse_genotype,
)
from tests.published import AW_NAS_README

DARTS_V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0),"
    " ('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0),"
    " ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0),"
    " ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0),"
    " ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
SMALL = (
    "Genotype(normal=[('a', 0), ('b', 1)], normal_concat=[2], reduce=[('c', 1), ('d', 0)],"
    " reduce_concat=[2])"
)
SMALL_AW_NAS = (
    "CNNGenotype(normal_0=[('a', 0, 2), ('b', 1, 2)], reduce_1=[('c', 1, 2), ('d', 0, 2)])"
)
PARSED = Genotype(((Edge("a", 0), Edge("b", 1)),), ((Edge("c", 1), Edge("d", 0)),))


def test_published_texts_read_back() -> None:
    assert format_darts(parse_genotype(DARTS_V2)) == DARTS_V2
    assert format_aw_nas(parse_genotype(AW_NAS_README)) == AW_NAS_README
    assert parse_genotype(DARTS_V2).normal[3] == (Edge("skip_connect", 0), Edge("dil_conv_3x3", 2))
    assert parse_genotype(AW_NAS_README).reduce[2] == (
        Edge("sep_conv_5x5", 1),
        Edge("avg_pool_3x3", 1),
    )


@pytest.mark.parametrize(
    "text",
    [
        SMALL,
        SMALL_AW_NAS,
        f"DARTS_V3 = {SMALL}",
        SMALL.replace("[2]", "range(2, 3)"),
        SMALL.replace("(normal", "(\n  normal").replace("('a', 0)", "['a', 0]"),
        SMALL_AW_NAS[len("CNNGenotype(") : -1],
        SMALL_AW_NAS.replace("CNNGenotype", "CNNGenotypeType"),
        SMALL_AW_NAS[:-1] + ", normal_0_concat=[2], reduce_1_concat=(2,))",
    ],
)
def test_every_spelling(text: str) -> None:
    assert looks_like_genotype(text)
    assert parse_genotype(text) == PARSED


edges = st.builds(
    Edge, st.sampled_from(["none", "skip_connect", "sep_conv_3x3"]), st.integers(0, 5)
)
cells = st.lists(st.tuples(edges, edges), min_size=1, max_size=5).map(tuple)


@given(st.builds(Genotype, cells, cells))
@settings(max_examples=50)
def test_any_genotype_reads_back_in_both_forms(genotype: Genotype) -> None:
    assert parse_genotype(format_darts(genotype)) == genotype
    assert parse_genotype(format_aw_nas(genotype)) == genotype


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("reduce=", "reduced="), "the genotype lacks 'reduce'"),
        ((", reduce_concat=[2]", ""), "the genotype lacks 'reduce_concat'"),
        (("normal_concat=[2]", "normal_concat=[2], third=[]"), "unexpected field 'third'"),
        (("normal_concat=[2]", "normal_concat=[2, 3]"), r"normal_concat must be \[2\]"),
        (("normal_concat=[2]", "normal_concat=2"), r"normal_concat must be \[2\]"),
        (
            ("normal_concat=[2]", "normal_concat=range(2, 1000)"),
            "normal_concat is not a plain list",
        ),
        (("('b', 1)", "('b', 1, 2)"), r"normal\[1\] is an operation and 1 node"),
        (("('b', 1)", "('b', 1.0)"), r"normal\[1\] is an operation and 1 node"),
        (("('b', 1)", "(1, 'b')"), r"normal\[1\] is an operation and 1 node"),
        ((", ('b', 1)", ""), "normal has two entries a node, not 1 in all"),
        (("[('a', 0), ('b', 1)]", "'ab'"), "normal is a list of entries"),
        (("[('a', 0), ('b', 1)]", "open('x')"), r"normal is not a plain list: open\('x'\)"),
        (("'a'", "__import__('os').name"), "normal is not a plain list"),
        (("(normal=", "([], normal="), "a genotype has named fields"),
        (("normal_concat=[2]", "normal=[2]"), "the field 'normal' twice"),
        (("normal_concat=[2]", "**{}"), r"the field '\*\*' twice or without"),
        (("Genotype(", "x.Genotype("), "not a genotype|named fields"),
        ((")", "", 9), "not a genotype such as"),
    ],
)
def test_wrong_texts_are_named(change: tuple[str, str], named: str) -> None:
    with pytest.raises(InvalidFile, match=named):
        parse_genotype(SMALL.replace(*change))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("('b', 1, 2)", "('b', 1)"), r"normal_0\[1\] is an operation and 2 node"),
        (("('b', 1, 2)", "('b', 1, 4)"), r"normal_0\[1\]: node 4 is not one of 2 ... 3"),
        (("('b', 1, 2)", "('b', 1, 1)"), r"normal_0\[1\]: node 1 is not one of 2 ... 3"),
        (("reduce_1", "reduce"), "the genotype lacks 'reduce_1'"),
    ],
)
def test_wrong_texts_of_aw_nas_are_named(change: tuple[str, str], named: str) -> None:
    with pytest.raises(InvalidFile, match=named):
        parse_genotype(SMALL_AW_NAS.replace(*change))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InvalidFile):
        parse_genotype(f"Genotype(normal={'[' * 5000}{']' * 5000})")

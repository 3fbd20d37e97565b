"""Folding and wildcards of the translation agree with the real node, over hostile text."""

import unicodedata
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opensearchpy import OpenSearch

from auditship_indexer.event.identity import day_start_ms, index_of_day
from auditship_indexer.opensearch import Connection, connect
from auditship_indexer.query import Equals, Tree, Wildcard, to_dsl
from auditship_indexer.query.fold import fold
from support.stored import document, store

DAY = date(2026, 4, 14)
# Cases that differ between folding rules, and the characters that patterns and queries escape.
ALPHABET = "aAbB\u0130\u0131\u03a3\u03c2\u03c3\u00dfÜü\u0308*?\\\"'/:()[]{}<>=~^ &|!+-.\U0001f600"
NAMES = st.text(ALPHABET, min_size=1, max_size=6)


class Names:
    """A region that holds every pair of the alphabet as a file name."""

    def __init__(self, client: OpenSearch, region: str) -> None:
        self.made = [one + other for one in ALPHABET for other in ALPHABET]
        self._client = client
        self._index = index_of_day(region, DAY)
        start = day_start_ms(DAY)
        named = enumerate(self.made)
        rows = (document(start + i, i, file={"name": name}) for i, name in named)
        store(client, region, DAY, rows)

    def found(self, tree: Tree) -> set[str]:
        body = {"query": to_dsl(tree), "size": 10_000, "_source": ["file.name"]}
        reply = self._client.search(index=self._index, body=body)
        return {hit["_source"]["file"]["name"] for hit in reply["hits"]["hits"]}


@pytest.fixture
def names(node_address: str, region: str) -> Iterator[Names]:
    with connect(Connection(hosts=(node_address,))) as client:
        yield Names(client, region)


@pytest.mark.node
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=st.sampled_from(ALPHABET), other=st.sampled_from(ALPHABET))
def test_equality_is_exact_and_folded_equality_is_folded(
    names: Names, one: str, other: str
) -> None:
    """The cluster finds what the fold says, in either normal form; `file.name` keeps the case."""
    asked = one + other
    spelled = {asked, *(unicodedata.normalize(form, asked) for form in ("NFC", "NFD"))}
    folded = {fold(text) for text in spelled}
    assert names.found(Equals("file.name", asked)) == spelled & set(names.made)
    assert names.found(Equals("file.name.lower", asked)) == {
        name for name in names.made if fold(name) in folded
    }


@pytest.mark.node
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(one=st.sampled_from(ALPHABET))
def test_a_wildcard_matches_its_text_and_nothing_else(names: Names, one: str) -> None:
    """Special characters of patterns stand for themselves, at the start, the end and inside."""
    assert names.found(Wildcard("file.name", (one, ""))) == {
        name for name in names.made if name.startswith(one)
    }
    assert names.found(Wildcard("file.name", ("", one))) == {
        name for name in names.made if name.endswith(one)
    }


@given(st.text(max_size=20))
def test_folding_is_done_once_and_never_grows_a_text(text: str) -> None:
    """As `Character.toLowerCase`: one code point in, one out."""
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)

"""Properties of the resolution of names, against a definition by enumeration."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.catalog.names import SHARED, AmbiguousName, Library, Names, make_labels
from service.store import Token
from spaces.errors import UnknownName

PLAIN = st.sampled_from(["a", "b", "c"])
OWNERS = ["ada", "bob", "team/cy"]


@dataclass
class World:
    """Libraries, and who sends the request; each file is its own qualified name."""

    shared: Library[str]
    own: Library[str] | None
    others: Sequence[Library[str]]

    @property
    def names(self) -> Names[str]:
        return Names("table", self.shared, self.own, self.others)

    @property
    def usable(self) -> list[Library[str]]:
        return [*([] if self.own is None else [self.own]), self.shared, *self.others]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    def library(index: str, owner: str) -> Library[str]:
        plain_names = draw(st.sets(PLAIN))
        return Library(index, owner, {name: f"{owner}/{name}" for name in sorted(plain_names)})

    shared = library("", SHARED)
    own, *others = (library(f"id-{owner[:3]}", owner) for owner in OWNERS)
    has_tokens = draw(st.booleans())
    sees_all = has_tokens and draw(st.booleans())
    return World(shared, own if has_tokens else None, others if sees_all else [])


@given(worlds())
def test_listed_names_are_unique_and_mean_the_listed_files(world: World) -> None:
    entries = list(world.names.entries())
    assert len({name for name, _, _ in entries}) == len(entries)
    assert len(entries) == sum(len(library.files) for library in world.usable)
    for name, library, plain in entries:
        assert world.names.find(name) == (library, plain)


@given(worlds())
def test_qualified_names_mean_the_file_of_their_library_alone(world: World) -> None:
    for library in world.usable:
        for plain, file in library.files.items():
            name = world.names.qualify(library, plain)
            source, found = world.names.find(name)
            assert source.files[found] == file
            if world.own is not None:
                assert name == file
                assert world.names.find(f"{library.id or SHARED}/{plain}") == (library, plain)


@given(worlds(), PLAIN)
def test_plain_names_mean_own_files_then_shared_ones_then_the_only_other(
    world: World, plain: str
) -> None:
    first, *rest = [library for library in (world.own, world.shared) if library is not None]
    preferred = [library for library in (first, *rest) if plain in library.files]
    others = [library for library in world.others if plain in library.files]

    if preferred:
        assert world.names.find(plain) == (preferred[0], plain)
    elif len(others) == 1:
        assert world.names.find(plain) == (others[0], plain)
    elif others:
        with pytest.raises(AmbiguousName) as caught:
            world.names.find(plain)
        assert [world.names.find(name)[0] for name in caught.value.candidates] == others
    else:
        with pytest.raises(UnknownName):
            world.names.find(plain)


@given(worlds(), st.sampled_from([*OWNERS, "id-bob", "", "eve"]), PLAIN)
def test_names_of_unusable_libraries_are_unknown(world: World, owner: str, plain: str) -> None:
    usable = {name for library in world.usable for name in (library.owner, library.id) if name}
    if owner in usable and world.own is not None:
        return
    with pytest.raises(UnknownName) as caught:
        world.names.find(f"{owner}/{plain}")
    assert list(caught.value.known) == sorted(world.names)


@given(worlds())
def test_files_of_other_owners_are_never_chosen_by_default(world: World) -> None:
    offered = {file for each in world.names.preferred() for file in each.files.values()}
    own_files = set() if world.own is None else set(world.own.files.values())
    assert offered == {*world.shared.files.values(), *own_files}


def test_labels_are_unique_where_names_were_used_twice() -> None:
    def token(identity: str, name: str, revoked: float | None = None) -> Token:
        return Token(identity, name, None, 0.0, None, revoked)

    tokens = [token("1", "ada"), token("2", "ada", 5.0), token("3", "1"), token("4", "bob")]
    assert make_labels(tokens) == {"1": "ada", "2": "2", "3": "3", "4": "bob"}

"""Names of files: each belongs to the library of an owner, or to the shared library."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.store.files import SHARED_LIBRARY
from service.store.tokens import RESERVED_NAME, Token
from spaces.errors import PathfitError, UnknownName

SHARED = RESERVED_NAME
"""Name of the shared library."""

File = TypeVar("File")


class AmbiguousName(PathfitError):
    """A plain name that several libraries have, none of which precedes.

    Args:
        kind: Kind of the file, such as "table".
        name: The plain name.
        candidates: Names that are unique.
    """

    def __init__(self, kind: str, name: str, candidates: Sequence[str]):
        self.candidates = tuple(candidates)
        super().__init__(
            f"several owners have a {kind} {name!r:.80}; use one of {', '.join(candidates)}"
        )


@dataclass(frozen=True)
class Sender:
    """The sender of a request, whose libraries its names refer to.

    Without tokens there is one sender, and the shared library is its own.

    Args:
        library: Id of the sender's own library, which is that of its token.
        name: Name of the token; None without a token.
        administrator: Whether it may write to the shared library and read every library.
    """

    library: str = SHARED_LIBRARY
    name: str | None = None
    administrator: bool = True

    @property
    def libraries(self) -> tuple[str, ...] | None:
        """Ids of the libraries that the sender may use; None for every one."""
        if self.administrator and self.name is not None:
            return None
        return (self.library, SHARED_LIBRARY)

    @classmethod
    def from_token(cls, token: Token | None) -> Sender:
        """Return the sender of a token, or the only one without tokens."""
        return cls() if token is None else cls(token.id, token.name, token.administrator)


@dataclass(frozen=True)
class Library(Generic[File]):
    """The files of one kind in a library.

    Args:
        id: Id of the token that it belongs to, or `SHARED_LIBRARY`.
        owner: Name of its owner, with which qualified names begin.
        files: Plain name -> file.
    """

    id: str
    owner: str
    files: Mapping[str, File]

    def qualify(self, name: str) -> str:
        """Return the name that means a file of this library for everybody who may use it."""
        return f"{self.owner}/{name}"


class Names(Generic[File]):
    """The files of one kind that a sender may name.

    A plain name means a file of the sender's own library, else of the shared one, else of the only
    other library that has it. Iterating gives every file's shortest name.

    Args:
        kind: Kind of the files, such as "table".
        shared: The shared library.
        own: Library of the sender; None without tokens, when only plain names are accepted.
        others: Further libraries that the sender may use.

    Example:
        >>> shared = Library("", "shared", {"cpu": 1, "phone": 2})
        >>> names = Names("table", shared, Library("5f0c", "ada", {"phone": 3}))
        >>> sorted(names)
        ['cpu', 'phone', 'shared/phone']
        >>> [names.find(name)[0].owner for name in ("phone", "shared/phone", "ada/phone")]
        ['ada', 'shared', 'ada']
    """

    def __init__(
        self,
        kind: str,
        shared: Library[File],
        own: Library[File] | None = None,
        others: Sequence[Library[File]] = (),
    ):
        self._kind = kind
        self._has_owners = own is not None
        # A plain name is looked up in this order.
        self._preferred = [shared] if own is None else [own, shared]
        self._others = others

    def find(self, name: str) -> tuple[Library[File], str]:
        """Find the library of a file, and its plain name there, by its plain or qualified name.

        A name in a library that the sender may not use is answered like one that does not exist.

        Raises:
            UnknownName: The sender may use no file of that name.
            AmbiguousName: Several libraries have the plain name, and none of them precedes.
        """
        owner, slash, plain = name.rpartition("/")
        if slash and self._has_owners:
            library = self._find_library(owner)
            if library is None or plain not in library.files:
                raise UnknownName(self._kind, name, sorted(self))
            return library, plain

        for library in self._preferred:
            if name in library.files:
                return library, name

        matches = [library for library in self._others if name in library.files]
        if not matches:
            raise UnknownName(self._kind, name, sorted(self))
        if len(matches) > 1:
            raise AmbiguousName(self._kind, name, [library.qualify(name) for library in matches])

        return matches[0], name

    def qualify(self, library: Library[File], plain: str) -> str:
        """Return the name to record: it means the same file whatever is uploaded later."""
        return library.qualify(plain) if self._has_owners else plain

    def __iter__(self) -> Iterator[str]:
        for name, _, _ in self.entries():
            yield name

    def entries(self) -> Iterator[tuple[str, Library[File], str]]:
        """Iterate over the shortest names of all files, with their libraries and plain names."""
        hidden: set[str] = set()
        for library in self._preferred:
            plain_names = list(library.files)
            for plain in plain_names:
                yield (library.qualify(plain) if plain in hidden else plain), library, plain
            hidden.update(plain_names)

        for library in self._others:
            for plain in library.files:
                yield library.qualify(plain), library, plain

    def preferred(self) -> Sequence[Library[File]]:
        """Return the libraries that a request without a name chooses from, in their order.

        Files of other owners are never chosen by default.
        """
        return self._preferred

    def shorten(self, library: Library[File], plain: str) -> str:
        """Return the shortest name of a file of a preferred library."""
        earlier = self._preferred[: self._preferred.index(library)]
        is_hidden = any(plain in other.files for other in earlier)
        return library.qualify(plain) if is_hidden else plain

    def _find_library(self, owner: str) -> Library[File] | None:
        libraries = [*self._preferred, *self._others]
        # The id first, so that no token can hide the library of another by its own name.
        for library in libraries:
            if owner and library.id == owner:
                return library
        return next((library for library in libraries if library.owner == owner), None)


def make_labels(tokens: Sequence[Token]) -> dict[str, str]:
    """Map the ids of tokens to the names of their libraries' owners.

    A revoked token, whose name another one may have, goes by its id.
    """
    ids = {token.id for token in tokens}
    return {
        token.id: token.name if token.revoked is None and token.name not in ids else token.id
        for token in tokens
    }

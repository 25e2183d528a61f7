"""Union-find on names (Tarjan 1975), whose groups do not depend on the order of the joins."""

from __future__ import annotations

__all__ = ["Union"]


class Union:
    """Groups of names; a group is called after its smallest name."""

    def __init__(self) -> None:
        self._parents: dict[str, str] = {}

    def find(self, name: str) -> str:
        """Return the name of the group that `name` is in: itself when it was never joined."""
        root = name
        while (parent := self._parents.get(root, root)) != root:
            root = parent
        while name != root:
            self._parents[name], name = root, self._parents[name]
        return root

    def join(self, one: str, other: str) -> None:
        """Put two names, and all that were joined with them, into one group."""
        first, second = sorted((self.find(one), self.find(other)))
        self._parents[second] = first
        self._parents.setdefault(first, first)

    def groups(self) -> dict[str, str]:
        """Return name -> name of its group for all names in groups of two or more, sorted."""
        groups = {name: self.find(name) for name in sorted(self._parents)}
        sizes: dict[str, int] = {}
        for group in groups.values():
            sizes[group] = sizes.get(group, 0) + 1
        return {name: group for name, group in groups.items() if sizes[group] > 1}

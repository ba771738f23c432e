"""What does asv need to lay the kernel's text over the commits of a tree?

A plugin of asv for the folder that `iova_lab.linux.asv_folder` writes.  Nothing is checked out,
built or installed: the benchmarks take ``ASV_COMMIT`` and read the needed files at that commit.
Commits are those in the file ``commits`` of the folder, as far as a range or a branch has them.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from asv.environment import Environment
from asv.plugins.git import Git

#: The file with the axis: a commit a line, in asv's working folder, which is the one of its conf.
COMMITS = Path("commits")


class LinuxTree(Git):  # type: ignore[misc]  # asv has no types
    """A kernel tree whose history is the commits of the axis."""

    dvcs = "linux"

    @classmethod
    def url_match(cls, url: str) -> bool:
        """Only where the configuration names it."""
        return False

    def get_hashes_from_range(self, range_spec: str) -> list[str]:
        """Return the commits of the axis in a range, newest first; side branches count as well."""
        axis = set(COMMITS.read_text(encoding="utf-8").split())
        words = ["rev-list", "--topo-order", *range_spec.split(), "--"]
        listed: str = self._run_git(words, valid_return_codes=(0, 1), dots=False)
        return [commit for commit in listed.split() if commit in axis]

    def get_tags(self) -> dict[str, str]:
        """Return the tags of the axis: a kernel tree has a thousand more."""
        axis = COMMITS.read_text(encoding="utf-8").split()
        points = [f"--points-at={commit}" for commit in axis]
        tags: str = self._run_git(["tag", "--list", *points], dots=False)
        return {tag: self.get_hash_from_name(tag) for tag in tags.split()}


class LinuxText(Environment):  # type: ignore[misc]
    """The Python that runs asv; its lab compiles the text of the commit that is under way."""

    tool_name = "linux"
    matches_python_fallback = False

    def __init__(self, conf: Any, python: str, requirements: dict[str, str], tagged: Any) -> None:
        self._requirements = requirements  # asv names the environment after it
        super().__init__(conf, python, requirements, tagged)

    def create(self) -> None:
        """Make nothing: this Python is there."""

    def find_executable(self, executable: str) -> str:
        return sys.executable

    def install_project(self, conf: Any, repo: Any, commit_hash: str) -> None:
        """Name the commit; a text that does not compile is a failed cell, with its reason."""
        self._set_commit_hash(commit_hash)

    def run(self, args: list[str], **kwargs: Any) -> Any:
        return self.run_executable("python", args, **kwargs)

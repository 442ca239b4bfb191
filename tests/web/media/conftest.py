# SPDX-License-Identifier: Apache-2.0
"""The same houses as the tests of sessions, and a media node for all tests of this folder."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest

from tests.embedded_store import EmbeddedStore
from tests.web.media.node import Node, add_node
from tests.web.sessions.conftest import house, lonely

__all__ = ["house", "lonely"]


@pytest.fixture(scope="module")
def node(brought_in: Node) -> Node:
    """The node, running."""
    if not brought_in.runs:
        brought_in.start()
    return brought_in


@pytest.fixture(scope="package")
def brought_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """A node that was brought into an installation as a technician does; both have one store."""
    folder = tmp_path_factory.mktemp("node")
    store = EmbeddedStore(folder / "store" / "data")
    store.start()
    made = Node(folder, store)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        assert add_node(made.main, folder / "east.node") == 0
    with contextlib.redirect_stdout(io.StringIO()):
        made.enrol(told.getvalue(), folder / "east.node")
    yield made
    made.die()
    store.stop()

# SPDX-License-Identifier: Apache-2.0
"""The same houses as the tests of sessions."""

from tests.web.sessions.conftest import house, lonely

__all__ = ["house", "lonely"]

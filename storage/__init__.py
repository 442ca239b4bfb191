# SPDX-License-Identifier: Apache-2.0
"""The shared library: settings, database, object store, manifest, seal, tokens and the command line."""

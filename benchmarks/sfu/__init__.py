# SPDX-License-Identifier: Apache-2.0
"""What forwarding costs, beside Debian's Janus and the machine's own floor (see benchmarks/sfu.md)."""

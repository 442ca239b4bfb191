# SPDX-License-Identifier: Apache-2.0
"""What happens here, told to addresses outside: a queue in the database, one sender for each address."""

# SPDX-License-Identifier: Apache-2.0
"""What is made of a sealed recording afterwards: the composite video, and the overview for the player's bar."""

# SPDX-License-Identifier: Apache-2.0
"""What attests a CVM, and what judges it; scripts/test --lane attest."""

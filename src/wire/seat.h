/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A connection's place among those that a WireServer admits. An upgraded connection takes its seat
 * along (wire_call_upgrade()). */

typedef struct WireSeat WireSeat;

/* Accepts NULL. */
WireSeat *wire_seat_free(WireSeat *seat);

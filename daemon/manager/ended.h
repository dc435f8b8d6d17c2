/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which CVMs that have ended stay: with `remove: ended` in the spec none does, and with
 * `failed-launch` none whose launch waited for READY in vain; of each user at most
 * limits.endedPerUid, and as many as have limits.endedLogBytesPerUid of logs together. The oldest
 * go first, by the time of their end, and the newest always stays. Root and administrators are not
 * exempt.
 *
 * A CVM is judged in the turn of the loop after its end, when who waits for the end has been
 * notified, and at the daemon's start. The event `removed` has the limit or `remove` as its detail.
 */

typedef struct Ended Ended;
typedef struct Manager Manager;

/* Watches all CVMs of the manager (borrowed). NULL without memory. */
Ended *ended_new(Manager *manager);
/* Closes it in the loop. NULL is allowed. Returns NULL. */
Ended *ended_close(Ended *ended);

/* Removes now what does not stay. */
void ended_trim(Manager *manager);

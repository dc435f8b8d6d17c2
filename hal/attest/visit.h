/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The clients of cvm-attest, a thread each, at most VISITS_MAX: a further one takes the place of
 * the one that has been silent for longest. Each step of a client has a limit in time, and a client
 * has at most VISIT_REQUESTS_MAX requests.
 */

#include "channel.h"
#include "evidence.h"

#define VISITS_MAX 16
#define VISIT_REQUESTS_MAX 16
#define VISIT_HANDSHAKE_MSEC 10000
#define VISIT_REQUEST_MSEC 60000 /* until a request is whole */
#define VISIT_ANSWER_MSEC 60000  /* until an answer was taken */

typedef struct Visits Visits;

/* Borrows key and maker. NULL without memory. It lasts as long as the program. */
Visits *visits_new(const ChannelKey *key, EvidenceMaker *maker);

/* Serves a client; takes its socket. */
void visits_add(Visits *visits, int fd);

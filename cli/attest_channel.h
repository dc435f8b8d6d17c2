/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The client's end of the channel on which a guest attests itself, cvm-verify(7): TLS 1.3 and
 * nothing older, never plain text. The guest's certificate is not judged: what the guest shows is
 * bound to this connection instead. A guest may be hostile: all that it sends is bounded, and one
 * deadline holds for everything.
 */

#include <json-c/json.h>

#include "base/attest_binding.h"
#include "base/macros.h"

#define ATTEST_ANSWER_MAX (8u << 20) /* bytes of a line */

typedef struct AttestChannel AttestChannel;

/* Connects within the time, which all later calls share. *ret_reason: a sentence, newly allocated.
 * Returns 0, -ENOMEM, -ETIMEDOUT, -EPROTO (the guest does not speak TLS 1.3) or another -errno. */
int attest_channel_open(const char *host, const char *port, unsigned msec, AttestChannel **ret,
                        char **ret_reason);
AttestChannel *attest_channel_close(AttestChannel *channel);
DEFINE_CLEANUP(AttestChannel *, attest_channel_close)

/* What evidence on this connection must cover; `random` is drawn once, by attest_channel_open(). */
const AttestSession *attest_channel_session(const AttestChannel *channel);

/* Takes the request; *ret: the answer, an object without "error". Returns 0 or -errno as above;
 * -EBADMSG: the answer is too long or no JSON object; -EREMOTEIO: the guest answered an error. */
int attest_channel_call(AttestChannel *channel, json_object *request, json_object **ret,
                        char **ret_reason);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A call in progress: what wire/call.h calls WireCall. Private to the server. */

#include "wire/connection.h"

struct WireCall {
        unsigned n_ref;
        WireConnection *connection; /* a reference */
        const WireMethod *method;   /* NULL: not known yet, or there is none */
        uint64_t begun;             /* uv_hrtime() */
        bool oneway, more, upgrade;
        bool ended;
        bool gone;   /* the client is */
        WireFd *fds; /* owned */
        size_t n_fds;
        WirePrepared prepared;   /* owned */
        char *cvm_name, *cvm_id; /* owned; NULL: not known */
        WireGone on_gone;
        void *on_gone_userdata;
        WireGone on_drained;
        void *on_drained_userdata;
};

/* A call with one reference, made the call in progress of the connection. Takes fds, also
 * on failure. */
int wire_call_new(WireConnection *connection, const WireMessageCall *message, WireFd *fds,
                  size_t n_fds, WireCall **ret);
/* The client is gone: calls on_gone. */
void wire_call_lose(WireCall *call);
/* Calls on_drained, if it is asked for and there is room. */
void wire_call_drain(WireCall *call);

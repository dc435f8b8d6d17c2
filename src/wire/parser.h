/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Large messages are parsed in worker threads of the loop, not on it: a tree of 32,768 values out
 * of 16 MiB takes as long as hundreds of ordinary calls.
 *
 * A uid has at most one worker at a time, and all uids but 0 together have at most
 * WIRE_PARSERS_OF_OTHERS: what is more waits for its turn. Private to src/wire.
 */

#include <sys/queue.h>
#include <uv.h>

#include "wire/inbox.h"
#include "wire/message.h"
#include "wire/server.h"

#define WIRE_PARSERS_OF_OTHERS 2 /* workers; root always finds one more */

typedef struct WireParser WireParser;
typedef struct WireParse WireParse;

/* Called once for each message, from the loop: when it is parsed, or within wire_parse_abandon().
 * The message is to be freed then. */
typedef void (*WireParsed)(WireParse *parse, void *userdata);

/* A message on its way through a worker. All but `parsed` and `userdata` is set by
 * wire_parse_new(). */
struct WireParse {
        uv_work_t work;
        WireParser *parser;
        uid_t uid;      /* of its sender */
        Buffer message; /* without its NUL byte; wiped by the worker */
        size_t size;    /* of the message, also when it is wiped */
        WireFd *fds;    /* owned, as is each of them */
        size_t n_fds;
        bool works, abandoned;
        int result; /* of wire_message_parse_call() */
        WireMessageCall call;
        WirePrepared prepared; /* of the call's parameters; owned */
        WireParsed parsed;
        void *userdata;
        TAILQ_ENTRY(WireParse) entry;
};

struct WireParser {
        uv_loop_t *loop;
        TAILQ_HEAD(, WireParse) parses; /* those that wait, and those that work */
};

void wire_parser_init(WireParser *parser, uv_loop_t *loop);

/* Takes message and fds, also on failure: NULL without memory. */
WireParse *wire_parse_new(uid_t uid, Buffer *message, WireFd *fds, size_t n_fds);
/* Closes the descriptors that are left and wipes what the message held. */
WireParse *wire_parse_free(WireParse *parse);

/* Has it parsed; `parsed` is not called within this call. The uid's messages begin in the order of
 * these calls. */
void wire_parse_begin(WireParser *parser, WireParse *parse, WireParsed parsed, void *userdata);
/* The result is not wanted any more: a message that waits is done with at once, one that a worker
 * has when the worker is; `abandoned` is set. */
void wire_parse_abandon(WireParse *parse);

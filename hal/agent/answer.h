/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The answer to a request: what this guest sees of itself, one line of JSON. See cvm-guest(7). What
 * it was given is left to given.h. */

#include "base/text.h"
#include "environment.h"
#include "request.h"
#include "share.h"

/* Where an agent looks. All borrowed; they outlive it. */
typedef struct AnswerSources {
        const Environment *environment;
        const Shares *shares;
        const char *certs;   /* directory */
        const char *cmdline; /* file, as /proc/cmdline */
        const char *tpms;    /* directory, as /sys/class/tpm */
        const char *reports; /* directory, as REPORT_ROOT */
        bool attests;        /* this guest gives evidence over TLS, cvm-attest(7) */
        const char *problem; /* with the environment file; NULL: none */
} AnswerSources;

/* Appends the answer to one request line (without its line feed), with a line feed; also a refusal
 * of what is no request. Returns 0 or -ENOMEM, with `out` as it was. */
int answer_line(const AnswerSources *sources, const char *line, size_t size, Buffer *out);

/* Appends {"error":reason} and a line feed; NULL says that memory is short. */
int answer_error(const char *reason, Buffer *out);

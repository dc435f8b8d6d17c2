/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Statistics of CVMs, asked for again and again: what a CVM uses of the CPUs is the difference
 * between two answers.
 */

#include <json-c/json.h>

#include "arguments.h"
#include "session.h"

#define SAMPLER_INTERVAL_SEC 2 /* unless the user says otherwise */

typedef struct Sampler {
        const Cli *cli;
        WireClient *client;
        const SessionTarget *targets; /* NULL: all CVMs */
        size_t n_targets;
        json_object *last; /* owned */
} Sampler;

void sampler_done(Sampler *sampler);

/* Asks for two samples with a second between them, and returns the second one: an array of
 * CvmStats, of which each that the first has too has the member cpuPercent: 100 is one CPU of the
 * host. For a verb that prints once. Borrowed until the next call. Returns EXIT_OK, or the status
 * of what it printed; after a signal *ret is NULL (session_call_again()). */
ExitStatus sampler_once(Sampler *sampler, json_object **ret);

/* Draws a sample as sampler_once() returns it; borrowed. Returns EXIT_OK, or the status of what it
 * printed. */
typedef ExitStatus (*SamplerDraw)(Sampler *sampler, json_object *stats, void *userdata);

/* Draws sample after sample on the open screen (screen.h), each `interval` microseconds after the
 * one before, until the user leaves. */
ExitStatus sampler_watch(Sampler *sampler, int64_t interval, SamplerDraw draw, void *userdata);

/* Cells of a table: newly allocated; "-" if it is not known, or for NULL. */
char *sampler_show_cpu(json_object *stats);
char *sampler_show_size(json_object *stats, const char *key);
/* "1.2M / 340K" of two members; "-" if neither is known. */
char *sampler_show_pair(json_object *stats, const char *one, const char *other);

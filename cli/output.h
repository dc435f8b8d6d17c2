/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What cvmctl prints. Texts of a guest or of the peer go through here: on a terminal they come with
 * their control characters escaped.
 */

#include <json-c/json.h>
#include <stdio.h>

#include "base/macros.h"

/* Whether a person may be looking: what must not reach a terminal depends on this alone. */
bool output_is_terminal(FILE *stream);
/* Whether the stream is a terminal that can rewrite its line (TERM is set and is not "dumb"). */
bool output_redraws(FILE *stream);
/* Its columns if it is a terminal that has at least 20, otherwise 0. */
size_t output_width(FILE *stream);
/* Whether the stream is such a terminal and NO_COLOR (no-color.org) is not set. */
bool output_colour(FILE *stream);

/* SGR (ECMA-48) of a terminal with output_colour(). */
#define OUTPUT_RED "\033[31m"
#define OUTPUT_GREEN "\033[32m"
#define OUTPUT_YELLOW "\033[33m"
#define OUTPUT_BOLD "\033[1m"
#define OUTPUT_PLAIN "\033[0m"

/* One line of JSON, flushed: safe on a terminal, and no data is lost. Borrows the object. */
void output_json(json_object *object);
void output_json_to(FILE *stream, json_object *object);

/* A member of an object as text without control characters: strings, numbers, yes and no for
 * booleans, "-" if it is absent. Newly allocated. */
char *output_member(json_object *object, const char *key);

/* Microseconds since the epoch in local time: "2026-11-21 07:16:33". "-" for 0 and below. */
#define OUTPUT_TIME_MAX 64
const char *output_time(int64_t usec, char buffer[static OUTPUT_TIME_MAX]);
/* The same without the date if that is today's: "07:16:33". */
const char *output_clock(int64_t usec, char buffer[static OUTPUT_TIME_MAX]);
/* "127.0.0.1:6100 -> 7002/tcp, ..." of a Cvm's forwards, "-" if there are none. */
char *output_forwards(json_object *cvm);
/* A member that counts bytes, for people: "2G", "7.9M", "512"; the last digit is rounded. "-" if it
 * is absent. */
char *output_size(json_object *object, const char *key);

/* Flushes stdout. Returns 0 or -errno of the first flush that failed. */
int output_finish(void);
/* 0, or -EBADF if stdout was not opened for writing: what waits for something to print need not
 * begin. */
int output_check(void);

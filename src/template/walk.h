/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A walk over a template: its inputs, its place, its amount of work, and its result.
 *
 * A check is a walk that takes both branches of each condition, so that every fault of a template
 * is found when it is loaded and not at the first launch that meets it. Members of one option are
 * present or absent: they are checked once with all of them and once without.
 */

#include "template/template_internal.h"

/* What is named at a place besides the variables: a loop's item, a fragment's parameters. On the
 * stack of the walk. */
typedef struct Frame {
        const struct Frame *outer;
        json_object *names;   /* name to value, borrowed; may be NULL */
        const char *fragment; /* this is a fragment's ground: frames further out are not seen */
} Frame;

typedef enum WalkCheck {
        WALK_RENDER,     /* no check: conditions decide */
        WALK_CHECK_FULL, /* conditions on members hold */
        WALK_CHECK_BARE, /* they do not */
} WalkCheck;

typedef struct Walk {
        const TemplateSet *set;
        const Template *template;
        WalkCheck check;
        json_object *variables;   /* owned */
        LaunchPlan *plan;         /* owned */
        const Document *document; /* the file we are in, and where: "arguments[3].machine.type" */
        Buffer path;
        unsigned line; /* if the file is XML; 0: the path has the place */
        size_t bytes;
        unsigned steps;
        bool used_cbitpos;
        bool by_path; /* it makes a libvirt domain */
        CvmError *error;
} Walk;

/* TemplateInvalid with file, line and path of where the walk is. */
int walk_fail(Walk *walk, const char *format, ...) _printf_(2, 3);
int walk_no_memory(Walk *walk);
/* Counts one step; fails when there are too many. */
int walk_step(Walk *walk);
/* Counts bytes of text made; likewise. */
int walk_count(Walk *walk, size_t bytes);
/* Goes down in the path; the result is for walk_leave(). */
size_t walk_enter(Walk *walk, const char *format, ...) _printf_(2, 3);
void walk_leave(Walk *walk, size_t before);
/* Refuses members of a control word's object that are not in `known` (ended by NULL; the first is
 * the word itself), and the lack of one that begins with '!' there. */
int walk_check_members(Walk *walk, json_object *object, const char *const *known);

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A spec file as text, so that a refusal of the spec names the places in it. The file is JSON, or
 * YAML (yaml_json.h), which is turned into JSON when it is read. Options add to what the file says
 * and replace it: a fault of theirs has no place in the file.
 */

#include <json-c/json.h>

#include "arguments.h"
#include "base/error.h"
#include "yaml_json.h"

typedef struct SpecFile {
        const char *path; /* for messages; borrowed; NULL: no file was given */
        Buffer text;      /* JSON; empty: not read */
        YamlJson yaml;    /* what the text was made of, if n_places > 0; without the text itself */
        /* Owned: the members of the spec as the file has them, and theirs by name; then the paths
         * of those that options gave. */
        json_object *members, *below, *given;
} SpecFile;

void spec_file_done(SpecFile *file);

/* Reads file->path, "-" being standard input, of at most max bytes, and parses it: as YAML if its
 * name ends in .yaml or .yml, as JSON if it ends in .json, else as what it looks like. *ret: an
 * object, owned by the caller. Returns EXIT_OK, or the status of what it printed. */
ExitStatus spec_file_read(const Cli *cli, size_t max, SpecFile *file, json_object **ret);

/* To be called before and after options are put into the spec that was made of the file. */
void spec_file_remember(SpecFile *file, json_object *spec);
void spec_file_compare(SpecFile *file, json_object *spec);

/* Prints why the spec was refused and returns the status for it. All faults of an InvalidSpec are
 * printed, a line each in the order of the file, with line and column if they are in it. */
ExitStatus spec_file_fail(const Cli *cli, const SpecFile *file, CvmError *error);

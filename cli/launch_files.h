/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files and directories that a spec names. Each function that returns an ExitStatus has printed
 * the failure. */

#include "launch_spec.h"

/* Makes the paths in the object of a spec file absolute, by the directory of that file. A file
 * cannot carry descriptors: that is a fault, added to the error. */
void launch_files_resolve(json_object *object, const char *directory, CvmError *error);
/* Opens every path and puts descriptors, or the content of small files, in its place. Prints all
 * paths that cannot be opened; the status is that of the first. */
ExitStatus launch_files_open(const Cli *cli, bool render, LaunchSpec *spec);
/* An absolute path as a JSON string; NULL without memory or working directory. */
json_object *launch_files_path(const char *directory, const char *path);
/* Reads the regular files of a directory into `certs`, an object of FileSource. */
ExitStatus launch_files_read_certs(const Cli *cli, const char *path, json_object *certs);

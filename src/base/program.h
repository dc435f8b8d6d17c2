/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the programs are that this project runs: where the configuration says, else in /usr/bin or
 * /usr/local/bin. PATH is not used: what a daemon runs must not depend on who started it. */

/* configured: an absolute path, which is not looked at, or NULL. Newly allocated; NULL: there is no
 * program of that file name that may be executed (or no memory). */
char *program_find(const char *configured, const char *name);

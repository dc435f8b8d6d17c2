/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The exit statuses of cvmctl: the one table of them, but for the ends of a CVM, whose statuses
 * (10 to 19, of `run` alone) stand in base/ending.h. The numbers from 64 to 78 are those of
 * sysexits(3), which systemd prints by name. cvmctl(1), EXIT STATUS, is compared with both tables
 * by a test.
 */

#include "base/ending.h"
#include "base/error.h"

typedef enum ExitCode {
        EXIT_DONE = 0,
        EXIT_FAILED = 1,
        /* of run alone, in addition to those of the endings */
        EXIT_LOST = 15, /* as ENDING_LOST */
        EXIT_DAEMON_AWAY = 16,
        EXIT_GIVEN_UP = 18,
        /* of attest and verify: their verdict */
        EXIT_REFUTED = 20,
        EXIT_UNCHECKED = 21,
        EXIT_VERIFIED_EXCEPT = 22,
        EXIT_VERIFIED_TEST_ROOT = 23,
        EXIT_USAGE = 64,       /* EX_USAGE */
        EXIT_DATA = 65,        /* EX_DATAERR: a spec or file is refused */
        EXIT_NOT_FOUND = 66,   /* EX_NOINPUT: there is no such CVM, or no such file */
        EXIT_UNAVAILABLE = 69, /* EX_UNAVAILABLE: no daemon, or this host cannot run it */
        EXIT_TAKEN = 73,       /* EX_CANTCREAT: the name or the id is taken */
        EXIT_TRY_AGAIN = 75,   /* EX_TEMPFAIL: resources, a quota, a time limit */
        EXIT_NOT_ALLOWED = 77, /* EX_NOPERM */
        EXIT_CONFIG = 78,      /* EX_CONFIG: the configuration or a template is wrong */
        EXIT_INTERRUPTED = 130,
} ExitCode;

/* What a part of a verb returns that has printed its own failure: never mixed with -errno, since
 * the compiler takes neither for the other. */
typedef struct ExitStatus {
        ExitCode code;
} ExitStatus;

#define EXIT_OK ((ExitStatus){EXIT_DONE})

static inline ExitStatus exit_status(ExitCode code)
{
        return (ExitStatus){code};
}

/* The first of the two that is a failure. */
static inline ExitStatus exit_first(ExitStatus one, ExitStatus other)
{
        return one.code ? one : other;
}

/* Whether it is a verdict: not an error, and printed on standard output. */
bool exit_is_verdict(ExitStatus status);
/* The exit status of an error of the interface. */
ExitStatus exit_of_error(CvmErrorId id);
/* That of a file named by the user that cannot be read or written; r is -errno. A shortage of this
 * process or the host (TRY_AGAIN) or a disk that fails (FAILED) is not a fault of the file. */
ExitStatus exit_of_file(int r);
/* That of a CVM whose ending has this reason. failed: the CVM's state is `failed`, which a good end
 * becomes where its restarts were given up. */
ExitStatus exit_of_ending(const char *reason, bool failed);

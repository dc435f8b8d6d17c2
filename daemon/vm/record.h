/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A CVM on disk: STATE/records/ID.json, mode 0600, replaced atomically, written before the step
 * that it describes. It holds what a later daemon needs to find the CVM again or to clear up after
 * it, and never a secret: the spec is stored redacted.
 *
 * A record of an older version is brought up to date when it is read; one of a newer version is
 * left as it is.
 *
 * The object: version (RECORD_VERSION), bootId, stopRequested, leaving, stopPowerdownSec,
 * limitsInDoubt (an update asks for other limits),
 * ownerGroup, ownerGroups, restart, expires, expired, the members of the interface's type Cvm,
 * measured (the interface's Measurement as it was at the launch), timeouts, spec (with specIsGiven:
 * as it was given; paths: of its descriptors), request (local/request.h), kept and launchFailed
 * (vm.h), stages and guestUptimeUsec (as Timeline returns them), hypervisor (whether its process
 * exists), what the driver saves of it (pid, startTime), and the companions (name, pid, startTime
 * of each).
 */

#include <time.h>

#include "local/committer.h"
#include "vm/vm.h"
#include "wire/server.h"

/* 1: the first. 2: ownerGroups; restart, expires, expired. */
#define RECORD_VERSION 2
#define RECORD_BYTES_MAX (32u << 20) /* the longest spec, twice, and what the rest may have */

/* Newly allocated; NULL without memory. */
char *record_text(const Vm *vm, const char *boot_id);
/* Writes the CVM's record, which a later daemon finds from then on; it gets to the disk a little
 * later, with others' (local/committer.h). A failure is logged and returned. */
int record_write(const Vm *vm);
/* Waits for that: committer_wait(). */
int record_wait(const Vm *vm, CommitWait *wait, CommitDone done);
/* Ends the call with a reply (taken) once the record that was written last is on disk, or could not
 * be brought there. on_gone of the call is not called any more. */
void record_reply(const Vm *vm, WireCall *call, json_object *reply);
/* The SystemError of such a failure, with the record's path. */
int record_write_error(const Vm *vm, int r, CvmError *error);
/* A failure is logged. */
void record_remove(const Vm *vm);

/* Whether it was written in the host's boot of that id. */
bool record_is_of_boot(json_object *record, const char *boot_id);

/* Makes the CVM that a record describes, in the recorded state, with nothing reserved, not in the
 * manager's table yet. -EBADMSG: no record of ours; -EPROTONOSUPPORT: one of a newer version
 * (ret_reason: a static text). The record may be changed. */
int record_to_vm(VmHome *home, json_object *record, Vm **ret, const char **ret_reason);

/*
 * Records that this daemon does not use, next to those that it does: ID.json.bad is not a valid
 * record, and ID.json.newer was written by a newer daemon.
 *
 * A bad record is never acted on. It is left by an administrator's mistake, by a disk that lost it,
 * or by a crash of the host just after an admission: then no older version is kept, and no process
 * was started, as none runs before its record is on the disk. Bad records are kept for inspection:
 * at most RECORDS_BAD_MAX, each for RECORDS_BAD_DAYS from the start that found it, and the newest
 * RECORDS_BAD_MIN for longer: a clock that is wrong at boot must not remove all. Each start logs
 * those that are there.
 */
#define RECORD_BAD ".bad"
#define RECORD_NEWER ".newer"
#define RECORDS_BAD_MIN 4u
#define RECORDS_BAD_MAX 16u
#define RECORDS_BAD_DAYS 30

/* Renames `file` (ID.json), and logs the reason. */
void record_set_aside(int records_fd, const char *file, const char *suffix, const char *reason);
/* Also where that cannot be found out. */
bool record_is_set_aside(int records_fd, const char *id, const char *suffix);
/* Removes bad ones that are too old at the time `now` or too many, the oldest first, and logs both
 * them and those that stay. A file's age begins with its last rename (ctime): older daemons did not
 * set its mtime. */
void record_trim_bad(int records_fd, time_t now);

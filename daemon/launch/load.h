/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a spec names outside the daemon, fetched with the caller's rights: artifact files are copied
 * and hashed, certificates read, shared directories and disks opened; and the embedded artifacts
 * that it takes, copied out of the program on first use; and what its QEMU can do. Done in a worker
 * thread, so that a slow disk or a dead mount delays no other user.
 */

#include "artifact/artifact.h"
#include "artifact/caller.h"
#include "artifact/disk.h"
#include "driver/driver.h"
#include "launch/load_image.h"
#include "launch/sent.h"
#include "local/artifact_files.h"
#include "local/config.h"
#include "local/idmap.h"
#include "local/ledger.h"
#include "local/qemu_cache.h"
#include "local/turns.h"
#include "template/plan.h"
#include "vm/allotment.h"
#include "vm/vm_boot.h"
#include "wire/server.h"

typedef struct LoadedCert {
        uint8_t *data; /* owned, secret; NULL: the spec holds it inline */
        size_t size;
} LoadedCert;

/* All owned. Indexes are those of the spec. */
typedef struct Loaded {
        uid_t uid;                                    /* whose files these are */
        uid_t account;                                /* to which they are counted (subuids.h) */
        Artifact *artifacts[_ARTIFACT_KIND_MAX];      /* NULL: there is none, or it failed */
        CvmError artifact_errors[_ARTIFACT_KIND_MAX]; /* set where one failed */
        DriverProbe *driver;            /* what its driver found out; NULL: it was not asked */
        ArtifactFiles *files;           /* borrowed; NULL: none is held */
        char *held[_ARTIFACT_KIND_MAX]; /* in `files`: its name there, or NULL */
        LoadedCert *certs;
        size_t n_certs;
        int *share_fds; /* -1: failed */
        size_t n_shares;
        DiskFile *disks; /* fd -1: failed */
        size_t n_disks;
        Ledger *artifact_ledger, *secret_ledger; /* borrowed; where these are reserved: */
        uint64_t reserved[_ARTIFACT_KIND_MAX], reserved_secrets;
        CvmError error; /* of certificates, shares and disks: the first */
        /* Where what came by descriptor is, if it has a name; of kinds, shares and disks. Owned. */
        char *artifact_paths[_ARTIFACT_KIND_MAX], **share_paths, **disk_paths;
        LoadImage image;        /* without a reference: the spec names none, or it failed; without
                                 * paths: its files were kept */
        PlanIgvm igvm;          /* what the IGVM file says */
        QemuProbe *qemu;        /* a reference; NULL: it could not be asked */
        HostFacts *host;        /* as it is now; NULL: without memory */
        Measured measured;      /* what it will measure; without registers: that failed */
        CvmError measure_error; /* why */
} Loaded;

void loaded_done(Loaded *loaded); /* clears secrets */
void loaded_clear_secrets(Loaded *loaded);

typedef struct LoadJob LoadJob;
/* Where embedded artifacts and answers of QEMU come from; borrowed, the cache and the host until
 * `done`. */
typedef struct LoadSource {
        Turns *turns;
        ArtifactStore *store;
        const Allotment *allotment; /* must stay until `done`, as the spec */
        const Config *config;       /* which disks it allows */
        QemuCache *qemus;
        DriverHome *driver;                      /* to ask; borrowed; NULL: it is not asked */
        Ledger *artifact_ledger, *secret_ledger; /* borrowed as long as what is loaded */
        LedgerBound artifact_bound, secret_bound;
        uid_t account;              /* that they count it to, and whose turn it takes (subuids.h) */
        ArtifactFiles *files;       /* to write artifacts to; borrowed; NULL: they are not */
        Artifact *const *artifacts; /* by kind, those that are there; NULL: none */
        const char *image;          /* of these; borrowed for the call; NULL: none */
        bool without_certs;         /* certificates are not read */
        const IdMap *map;           /* shares are seen through it; NULL: as they are. Copied. */
} LoadSource;

/* loaded: what `done` may take from; borrowed. */
typedef void (*LoadDone)(Loaded *loaded, void *userdata);

/* owner: the user with whose rights files are opened. Takes the descriptors that the spec names
 * from the call (NULL: it names none). spec must stay until `done`, which always comes, from the
 * loop, unless the job is withdrawn. *ret: borrowed, until `done`. Returns 0, or -errno with the
 * error set. */
int load_begin(const LoadSource *source, const CvmSpec *spec, const WirePeer *owner, WireCall *call,
               LoadDone done, void *userdata, LoadJob **ret, CvmError *error);
/* Ends a job that still waits for its turn, and releases its descriptors and memory, which would be
 * counted to no user after their client has gone; `done` is not called then. Returns false if a
 * worker has begun. */
bool load_withdraw(LoadJob *job);

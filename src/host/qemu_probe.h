/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a QEMU binary can do, by its own answers over QMP on a machine of type "none": versions and
 * help texts mislead (builds leave things out, forks carry a release's number).
 *
 * A QemuProbe is immutable and may be read by several threads at once; references are counted
 * atomically. It is kept as JSON in a file a binary, in a directory of the caller's; a file that is
 * torn, foreign or of another state of the binary (size, mtime, inode, device) or of another kernel
 * is as none. Everything here blocks, for at most QEMU_PROBE_MSEC, and belongs into a worker.
 */

#include <json-c/json.h>

#include "host/host.h"

#define QEMU_PROBE_MSEC 10000u
#define QEMU_PROBE_LINE_MAX (1u << 20)  /* of one answer; the longest of QEMU 7.2 has 35 KiB */
#define QEMU_PROBE_BYTES_MAX (8u << 20) /* of all answers */
#define QEMU_PROBE_FILE_MAX (4u << 20)  /* of a kept probe */

/* Whose QEMU it is, by what it answers. */
typedef enum QemuFlavour {
        QEMU_UPSTREAM,      /* a release, or a distribution's build of one */
        QEMU_COCONUT,       /* COCONUT-SVSM's today: x-svsm-virtio-mmio or device-plane */
        QEMU_COCONUT_OLD,   /* before igvm-cfg: machine property igvm-file */
        QEMU_CANONICAL_OLD, /* TDX patches before 10.1: memory-backend-ram with `private` */
} QemuFlavour;

typedef struct QemuProbe QemuProbe;

QemuProbe *qemu_probe_ref(QemuProbe *probe);
QemuProbe *qemu_probe_unref(QemuProbe *probe);
DEFINE_CLEANUP(QemuProbe *, qemu_probe_unref)

const char *qemu_probe_version(const QemuProbe *probe); /* "7.2.22" */
QemuFlavour qemu_probe_flavour(const QemuProbe *probe);
/* "QEMU 7.2.22 (Debian 1:7.2+dfsg-7)": for a person. Newly allocated. */
char *qemu_probe_describe(const QemuProbe *probe);
/* Objects are those that -object creates. Properties are known of confidential and IGVM objects and
 * of memory backends, and of the machines q35 and virt. */
bool qemu_probe_has_object(const QemuProbe *probe, const char *type);
bool qemu_probe_has_property(const QemuProbe *probe, const char *object, const char *property);
bool qemu_probe_has_device(const QemuProbe *probe, const char *driver);
bool qemu_probe_has_cpu(const QemuProbe *probe, const char *model);
/* How many vCPUs the machine can have, 0: not known. */
uint64_t qemu_probe_cpus_max(const QemuProbe *probe, const char *machine);
bool qemu_probe_has_machine(const QemuProbe *probe, const char *machine, const char *property);

/* Asks over a connected stream socket (borrowed): greeting, questions, quit. *ret_reason: static.
 * 0, -ETIMEDOUT, -EPROTO (it is not a QEMU, or its reply is too long), -ECONNRESET, -ENOMEM. */
int qemu_probe_talk(int fd, unsigned timeout_msec, QemuProbe **ret, const char **ret_reason);
/* Starts the binary without a machine, asks, and reaps it. Where the caller is root it runs as
 * nobody, always with no_new_privs. *ret_reason: newly allocated, with what it said on stderr.
 * As above, and -errno of a process that cannot be started. */
int qemu_probe_run(const char *path, QemuProbe **ret, char **ret_reason);
/* From the cache, else by running it, and then into the cache (-1: there is none; a cache that
 * cannot be written is none). */
int qemu_probe_cached(const char *path, int cache_dirfd, QemuProbe **ret, char **ret_reason);

/* Its form as kept. Parsing takes foreign text: 0, -EBADMSG or -ENOMEM. */
json_object *qemu_probe_to_json(const QemuProbe *probe);
int qemu_probe_parse(json_object *object, QemuProbe **ret);

/* The state of a binary by which answers are known to be its. */
typedef struct QemuIdentity {
        uint64_t size, inode, device;
        int64_t mtime_nsec;
} QemuIdentity;

int qemu_identity_read(const char *path, QemuIdentity *ret); /* 0 or -errno */
bool qemu_identity_equal(const QemuIdentity *a, const QemuIdentity *b);

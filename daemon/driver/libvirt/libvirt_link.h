/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The connection to libvirt. libvirt's calls block, so the link's own threads make them: the calls
 * for one domain one after the other (libvirt_commands.h). Another thread, one for the process,
 * runs libvirt's event loop. Their results reach the daemon's loop as news, in order.
 *
 * The link loads libvirt and connects with its first command. When the connection is lost the link
 * tries again, at growing intervals, for as long as it is in use (libvirt_link_want()); a command
 * meanwhile fails with -ENOTCONN.
 */

#include <uv.h>

#include "host/libvirt_facts.h"

typedef struct LibvirtLink LibvirtLink;

typedef enum LibvirtVerb {
        LIBVIRT_CREATE,   /* a domain from XML, its CPUs paused */
        LIBVIRT_LOOK,     /* at its state: LIBVIRT_IS_…, in `detail` */
        LIBVIRT_RESUME,   /* its CPUs */
        LIBVIRT_SUSPEND,  /* likewise */
        LIBVIRT_SHUTDOWN, /* the power button */
        LIBVIRT_QUIT,     /* SIGTERM for its QEMU */
        LIBVIRT_DESTROY,  /* SIGKILL after that; overtakes what the domain is busy with */
} LibvirtVerb;

enum {
        LIBVIRT_IS_RUNNING,
        LIBVIRT_IS_PAUSED,
        LIBVIRT_IS_FAILING, /* paused by a disk's failure */
        LIBVIRT_IS_BROKEN,  /* paused, and cannot continue: QEMU's internal-error */
        LIBVIRT_IS_ENDING,
};

typedef enum LibvirtNewsKind {
        LIBVIRT_DONE,      /* a command: r, and text where it failed */
        LIBVIRT_CONNECTED, /* of no domain; again after each loss */
        LIBVIRT_LOST,      /* of no domain; text says why */
        LIBVIRT_CHANGED,   /* another program has paused or resumed it: ask for its state */
        LIBVIRT_SHUTTING,  /* its guest ends; text: QEMU's reason (ShutdownCause), "" unknown */
        LIBVIRT_PANICKED,  /* its guest; text: the data of QEMU's GUEST_PANICKED */
        LIBVIRT_ENDED,     /* text: power-off, destroyed, crashed or failed */
} LibvirtNewsKind;

/* Borrowed for the callback. */
typedef struct LibvirtNews {
        LibvirtNewsKind kind;
        const char *id; /* the domain's UUID */
        LibvirtVerb verb;
        uint64_t serial; /* of the command */
        /* 0, -ENOTCONN (whether it was done is unknown), -ESRCH (no such domain), -EIO */
        int r;
        int detail;
        const char *text;
} LibvirtNews;

typedef void (*LibvirtTell)(const LibvirtNews *news, void *userdata);

/* 0 or -errno. Nothing is connected yet. */
int libvirt_link_new(uv_loop_t *loop, const char *uri, LibvirtTell tell, void *userdata,
                     LibvirtLink **ret);
/* No news come any more; the loop's handle is closed in one of its next rounds. The function does
 * not wait for a call that blocks, and libvirt_link_facts() returns at once. Accepts NULL. */
void libvirt_link_close(LibvirtLink *link);
/* After it was closed, once nobody calls anything of it; frees in its time. Accepts NULL. */
void libvirt_link_free(LibvirtLink *link);
/* Starts its threads; implied by what follows. 0 or -errno. */
int libvirt_link_begin(LibvirtLink *link);
/* Whether to connect again by itself. */
void libvirt_link_want(LibvirtLink *link, bool wanted);
/* Queues a command; xml of CREATE, else NULL. Its serial, never 0, or 0 without memory. */
uint64_t libvirt_link_command(LibvirtLink *link, LibvirtVerb verb, const char *id, const char *xml);
/* What the libvirt that is connected can do with that QEMU, which it knows from then on; connects
 * and waits for it, at most so long, and then for its answer, up to two minutes. Any thread but the
 * loop's. 0, or -ENOTCONN with *ret_reason, owned by the caller (may be NULL). */
int libvirt_link_facts(LibvirtLink *link, const char *emulator, unsigned msec, LibvirtFacts *ret,
                       char **ret_reason);

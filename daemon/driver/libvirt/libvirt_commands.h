/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Commands for libvirt that wait or run, and what each does. libvirt's calls last as long as the
 * domain's QEMU keeps libvirt waiting, so that several are made at once: those of one domain one
 * after the other, but for its destruction, which ends what hangs.
 */

#include "driver/libvirt/libvirt_link.h"
#include "host/libvirt_calls.h"

/* At once. libvirtd takes five calls of a connection (max_client_requests): one is kept for a
 * destruction. */
#define LIBVIRT_COMMANDS_MAX 4

typedef struct LibvirtCommand LibvirtCommand;
struct LibvirtCommand {
        LibvirtCommand *next;
        LibvirtVerb verb;
        uint64_t serial;
        char id[VIR_UUID_STRING_BUFLEN];
        char *xml; /* of CREATE; owned */
};

/* All zero: none. Not locked: its owner does that. */
typedef struct LibvirtCommands {
        LibvirtCommand *queued; /* the oldest first */
        LibvirtCommand *running;
} LibvirtCommands;

/* xml of CREATE, else NULL. NULL: there is no memory. */
LibvirtCommand *libvirt_command_new(LibvirtVerb verb, const char *id, const char *xml,
                                    uint64_t serial);
void libvirt_commands_add(LibvirtCommands *commands, LibvirtCommand *command); /* takes it */
/* The oldest that may run now, which from then on runs; NULL: none. */
LibvirtCommand *libvirt_commands_take(LibvirtCommands *commands);
/* One that has run; freed. */
void libvirt_commands_done(LibvirtCommands *commands, LibvirtCommand *command);
void libvirt_commands_clear(LibvirtCommands *commands); /* those that wait */

/* Runs it: blocks. 0, or -ENOTCONN, -ESRCH, -EIO with *ret_text, owned by the caller (may be NULL).
 * *ret_detail is LOOK's. */
int libvirt_command_execute(const LibvirtCommand *command, const LibvirtCalls *libvirt,
                            virConnectPtr connection, int *ret_detail, char **ret_text);

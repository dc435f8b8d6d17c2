/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/libvirt/libvirt_commands.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/text.h"

/* The reason of a domain's end may arrive later than the news that it does not exist. */
#define ENDING_MSEC 200

LibvirtCommand *libvirt_command_new(LibvirtVerb verb, const char *id, const char *xml,
                                    uint64_t serial)
{
        LibvirtCommand *command = calloc(1, sizeof(*command));

        if (!command)
                return NULL;
        command->verb = verb;
        command->serial = serial;
        text_copy(command->id, sizeof(command->id), id);
        if (xml && !(command->xml = strdup(xml))) {
                free(command);
                return NULL;
        }
        return command;
}

static void command_free(LibvirtCommand *command)
{
        free(command->xml);
        free(command);
}

void libvirt_commands_add(LibvirtCommands *commands, LibvirtCommand *command)
{
        LibvirtCommand **end = &commands->queued;

        while (*end)
                end = &(*end)->next;
        command->next = NULL;
        *end = command;
}

/* Whether it must wait for an older one. A destruction waits for nothing but what makes the domain
 * to begin, and for another one. */
static bool follows(const LibvirtCommand *command, const LibvirtCommand *older, bool runs)
{
        if (strcmp(command->id, older->id) != 0)
                return false;
        if (command->verb != LIBVIRT_DESTROY)
                return true;
        return older->verb == LIBVIRT_DESTROY || (older->verb == LIBVIRT_CREATE && !runs);
}

static bool may_run(const LibvirtCommands *commands, const LibvirtCommand *command)
{
        unsigned n = 0;

        for (const LibvirtCommand *c = commands->running; c; c = c->next) {
                if (follows(command, c, true))
                        return false;
                n += c->verb != LIBVIRT_DESTROY || command->verb == LIBVIRT_DESTROY;
        }
        for (const LibvirtCommand *c = commands->queued; c != command; c = c->next)
                if (follows(command, c, false))
                        return false;
        return command->verb == LIBVIRT_DESTROY || n < LIBVIRT_COMMANDS_MAX;
}

LibvirtCommand *libvirt_commands_take(LibvirtCommands *commands)
{
        for (LibvirtCommand **c = &commands->queued; *c; c = &(*c)->next) {
                LibvirtCommand *command = *c;

                if (!may_run(commands, command))
                        continue;
                *c = command->next;
                command->next = commands->running;
                commands->running = command;
                return command;
        }
        return NULL;
}

void libvirt_commands_done(LibvirtCommands *commands, LibvirtCommand *command)
{
        LibvirtCommand **c = &commands->running;

        while (*c != command)
                c = &(*c)->next;
        *c = command->next;
        command_free(command);
}

void libvirt_commands_clear(LibvirtCommands *commands)
{
        while (commands->queued) {
                LibvirtCommand *command = commands->queued;

                commands->queued = command->next;
                command_free(command);
        }
}

static int last_result(const LibvirtCalls *libvirt)
{
        const virError *error = libvirt->virGetLastError();

        if (!error)
                return -EIO;
        if (error->code == VIR_ERR_NO_DOMAIN)
                return -ESRCH;
        return error->domain == VIR_FROM_RPC ? -ENOTCONN : -EIO;
}

/* libvirt does not distinguish a guest that QEMU cannot continue from one that someone paused;
 * QEMU's RunState does. */
static bool is_broken(const LibvirtCalls *libvirt, virDomainPtr domain)
{
        _cleanup_json_ json_object *reply = NULL;
        char *text = NULL;
        const char *status = NULL;

        if (libvirt->virDomainQemuMonitorCommand(domain, "{\"execute\":\"query-status\"}", &text,
                                                 VIR_DOMAIN_QEMU_MONITOR_COMMAND_DEFAULT) < 0)
                return false;
        if (json_parse(text, strlen(text), &reply, NULL) == 0)
                status = json_member_string(json_member(reply, "return"), "status");
        free(text);
        return status && strcmp(status, "internal-error") == 0;
}

static int libvirt_commands_look(const LibvirtCalls *libvirt, virDomainPtr domain, int *ret)
{
        int state, reason;

        if (libvirt->virDomainGetState(domain, &state, &reason, 0) < 0)
                return -1;
        if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_IOERROR)
                *ret = LIBVIRT_IS_FAILING;
        else if (state == VIR_DOMAIN_PAUSED && reason == VIR_DOMAIN_PAUSED_UNKNOWN &&
                 is_broken(libvirt, domain))
                *ret = LIBVIRT_IS_BROKEN;
        else if (state == VIR_DOMAIN_PAUSED || state == VIR_DOMAIN_PMSUSPENDED)
                *ret = LIBVIRT_IS_PAUSED;
        else
                *ret = state == VIR_DOMAIN_RUNNING || state == VIR_DOMAIN_BLOCKED
                               ? LIBVIRT_IS_RUNNING
                               : LIBVIRT_IS_ENDING;
        return 0;
}

static int execute_on(const LibvirtCommand *command, const LibvirtCalls *libvirt,
                      virDomainPtr domain, int *ret_detail)
{
        switch (command->verb) {
        case LIBVIRT_CREATE:
                return 0;
        case LIBVIRT_LOOK:
                return libvirt_commands_look(libvirt, domain, ret_detail);
        case LIBVIRT_RESUME:
                return libvirt->virDomainResume(domain);
        case LIBVIRT_SUSPEND:
                return libvirt->virDomainSuspend(domain);
        case LIBVIRT_SHUTDOWN:
                return libvirt->virDomainShutdown(domain);
        case LIBVIRT_QUIT:
                return libvirt->virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_GRACEFUL);
        case LIBVIRT_DESTROY:
                break;
        }
        return libvirt->virDomainDestroyFlags(domain, VIR_DOMAIN_DESTROY_DEFAULT);
}

int libvirt_command_execute(const LibvirtCommand *command, const LibvirtCalls *libvirt,
                            virConnectPtr connection, int *ret_detail, char **ret_text)
{
        virDomainPtr domain;
        int r = 0;

        libvirt->virResetLastError();
        domain = command->verb == LIBVIRT_CREATE
                         ? libvirt->virDomainCreateXML(connection, command->xml,
                                                       VIR_DOMAIN_START_PAUSED)
                         : libvirt->virDomainLookupByUUIDString(connection, command->id);
        if (!domain || execute_on(command, libvirt, domain, ret_detail) < 0) {
                const char *text = libvirt->virGetLastErrorMessage();

                r = last_result(libvirt);
                *ret_text = strdup(text && *text ? text : "libvirt gave no reason");
        }
        /* one that is only beginning refuses to be destroyed, too */
        if (r == -ESRCH || (r < 0 && command->verb == LIBVIRT_DESTROY))
                usleep(ENDING_MSEC * 1000);
        if (domain)
                libvirt->virDomainFree(domain);
        return r;
}

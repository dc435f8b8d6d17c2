/* SPDX-License-Identifier: Apache-2.0 */

/* The host ports that lead into a CVM. */

#include <inttypes.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "reply.h"

typedef struct PortOptions {
        const char *name;
        const char *port; /* "PORT[/PROTOCOL]" of the guest; NULL: all */
} PortOptions;

static PortOptions port_options(const Arguments *arguments)
{
        return (PortOptions){
                .name = arguments_operand(arguments, 0),
                .port = arguments_operand(arguments, 1),
        };
}

/* Of the guest; protocol: borrowed. */
typedef struct GuestPort {
        uint64_t number; /* 0: any */
        const char *protocol;
} GuestPort;

static ExitStatus port_parse(const Cli *cli, const char *text, GuestPort *ret)
{
        const char *slash = text ? strchr(text, '/') : NULL;
        _cleanup_free_ char *number = NULL;

        *ret = (GuestPort){.protocol = slash ? slash + 1 : "tcp"};
        if (!text)
                return EXIT_OK;
        number = strndup(text, slash ? (size_t)(slash - text) : strlen(text));
        if (!number)
                return fail_memory(cli);
        if (text_parse_uint(number, 1, UINT16_MAX, &ret->number) < 0 ||
            (strcmp(ret->protocol, "tcp") != 0 && strcmp(ret->protocol, "udp") != 0))
                return fail_usage(cli, "invalid port '%s': expected a guest port, PORT or PORT/udp",
                                  text);
        return EXIT_OK;
}

/* "7002/tcp -> 127.0.0.1:8702", or of one port "127.0.0.1:8702". Returns whether it was printed. */
static bool port_print(json_object *forward, const GuestPort *wanted)
{
        _cleanup_free_ char *address = output_member(forward, "address");
        _cleanup_free_ char *protocol = output_member(forward, "protocol");
        int64_t guest = json_member_int(forward, "guestPort", 0);

        if (!address || !protocol)
                return false;
        if (wanted->number &&
            ((uint64_t)guest != wanted->number || strcmp(protocol, wanted->protocol) != 0))
                return false;
        if (!wanted->number)
                printf("%" PRId64 "/%s -> ", guest, protocol);
        printf("%s:%" PRId64 "\n", address, json_member_int(forward, "hostPort", 0));
        return true;
}

static ExitStatus port_print_all(const Cli *cli, const PortOptions *options,
                                 const GuestPort *wanted, json_object *cvm)
{
        const char *state = json_member_string(cvm, "state") ?: "";
        json_object *forwards = reply_member(cli, cvm, "forwards", json_type_array);
        size_t n_printed = 0;

        if (!forwards)
                return exit_status(EXIT_FAILED);
        if (strcmp(state, "stopped") == 0 || strcmp(state, "failed") == 0)
                return fail_local(cli, "CVM '%s' is %s: no port leads to it", options->name, state);
        if (cli->json) {
                output_json(forwards);
                return EXIT_OK;
        }
        for (size_t i = 0; i < json_object_array_length(forwards); i++)
                n_printed += port_print(json_object_array_get_idx(forwards, i), wanted);
        if (wanted->number && !n_printed)
                return fail_local(cli, "no port of this host leads to port %s of CVM '%s'",
                                  options->port, options->name);
        if (!n_printed)
                fail_note(cli, "no port of this host leads to CVM '%s'; see --publish",
                          options->name);
        return EXIT_OK;
}

ExitStatus verb_port(const Arguments *arguments)
{
        const PortOptions options = port_options(arguments);
        const Cli *cli = &arguments->cli;
        _cleanup_json_ json_object *cvm = NULL;
        SessionTarget *target = NULL;
        GuestPort wanted;
        ExitStatus status = port_parse(cli, options.port, &wanted);

        if (!status.code)
                status = session_resolve(cli, &options.name, 1, true, &target);
        if (status.code)
                return status;
        status = reply_cvm(cli, target, false, &cvm);
        session_targets_free(target, 1);
        return status.code ? status : port_print_all(cli, &options, &wanted, cvm);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "console_hint.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "session.h"

#define REPLY_MSEC 2000

/* Whether console=null is the only console of a kernel's command line. */
static bool console_hint_is_null(const char *cmdline)
{
        static const char option[] = "console=";
        bool null = false;

        for (const char *word = cmdline; *word; word += strspn(word, " ")) {
                size_t length = strcspn(word, " ");

                if (strncmp(word, option, sizeof(option) - 1) == 0) {
                        null = length == strlen("console=null") &&
                               strncmp(word, "console=null", length) == 0;
                        if (!null)
                                return false;
                }
                word += length;
        }
        return null;
}

/* The default command line has console=null, unless the CVM is a debug CVM. */
static bool console_hint_applies(json_object *cvm)
{
        json_object *spec = json_member(cvm, "spec");
        const char *cmdline = json_member_string(spec, "cmdline");

        if (!spec || !json_member(json_member(cvm, "artifacts"), "kernel"))
                return false;
        return cmdline ? console_hint_is_null(cmdline) : !json_member_bool(cvm, "debug", false);
}

char *console_hint(const Cli *cli, const char *name, json_object *parameters)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *socket = session_socket(cli);
        _cleanup_json_ json_object *reply = NULL;
        json_object *target = json_build("name", json_object_get(json_member(parameters, "name")),
                                         "id", json_object_get(json_member(parameters, "id")),
                                         "withSpec", json_object_new_boolean(true), NULL);

        if (!socket || wire_client_connect(socket, &client, &error) < 0) {
                json_object_put(target);
                return NULL;
        }
        wire_client_set_timeout(client, REPLY_MSEC);
        if (wire_client_call(client, MANAGER "Status", target, NULL, 0, &reply, &error) < 0 ||
            !console_hint_applies(json_member(reply, "cvm")))
                return NULL;
        return text_format("the kernel command line of %s has console=null, so its kernel prints "
                           "nothing here; launch it with --debug, or --cmdline console=ttyS0, to "
                           "see its output",
                           name);
}

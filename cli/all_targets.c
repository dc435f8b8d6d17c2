/* SPDX-License-Identifier: Apache-2.0 */
#include "all_targets.h"

#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "reply.h"

ExitStatus all_targets_check(const Cli *cli, bool all, size_t n_names)
{
        if (all && n_names)
                return fail_usage(cli, "--all and a NAME exclude each other");
        if (!all && !n_names)
                return fail_usage(cli, "%s requires NAME..., or --all", cli->verb->name);
        return EXIT_OK;
}

static bool all_targets_has_ended(json_object *cvm)
{
        const char *state = json_member_string(cvm, "state") ?: "";

        return strcmp(state, "stopped") == 0 || strcmp(state, "failed") == 0;
}

static bool all_targets_is_meant(AllTargets *targets, json_object *cvm)
{
        int64_t created = json_member_int(cvm, "createdAt", 0);
        bool live = !all_targets_has_ended(cvm);

        if (targets->own && json_member_int(cvm, "owner", -1) != (int64_t)geteuid())
                return false;
        if (live != targets->live) {
                targets->n_other++;
                return false;
        }
        return !targets->ended_before ||
               json_member_int(json_member(cvm, "ending"), "at", created) < targets->ended_before;
}

static int all_targets_add(AllTargets *targets, json_object *cvm)
{
        const char *name = json_member_string(cvm, "name"), *id = json_member_string(cvm, "id");
        SessionTarget *target = &targets->at[targets->n];

        if (!name || !id)
                return 0;
        *target = (SessionTarget){.name = strdup(name), .id = strdup(id), .may_be_gone = true};
        targets->n++;
        return target->name && target->id ? 0 : -ENOMEM;
}

ExitStatus all_targets_find(const Cli *cli, AllTargets *targets)
{
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status = session_call(cli, MANAGER "List", NULL, &reply);
        json_object *cvms;
        size_t n;

        if (status.code)
                return status;
        cvms = reply_member(cli, reply, "cvms", json_type_array);
        if (!cvms)
                return exit_status(EXIT_FAILED);
        n = json_object_array_length(cvms);
        targets->at = calloc(n + 1, sizeof(*targets->at));
        if (!targets->at)
                return fail_memory(cli);
        for (size_t i = 0; i < n; i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);

                if (all_targets_is_meant(targets, cvm) && all_targets_add(targets, cvm) < 0)
                        return fail_memory(cli);
        }
        return EXIT_OK;
}

void all_targets_done(AllTargets *targets)
{
        session_targets_free(targets->at, targets->n);
        targets->at = NULL;
}

ExitStatus all_targets_call(const Cli *cli, const char *method, json_object *parameters,
                            const char *done, const char *nothing, const AllTargets *targets)
{
        if (targets->n == 0)
                fail_note(cli, "there is no CVM to %s", nothing);
        return session_call_targets(cli, method, parameters, done, targets->at, targets->n, 0);
}

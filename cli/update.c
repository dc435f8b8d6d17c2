/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "base/json.h"
#include "fail.h"
#include "labels.h"
#include "output.h"
#include "reply.h"
#include "session.h"

typedef struct UpdateOptions {
        bool has_ttl, has_weight;
        uint64_t ttl_sec, weight;
        const char *policy, *memory_high; /* NULL: not given */
        OptionValues labels, removed;
} UpdateOptions;

static UpdateOptions update_options(const Arguments *arguments)
{
        return (UpdateOptions){
                .has_ttl = arguments_has(arguments, "ttl"),
                .has_weight = arguments_has(arguments, "cpu-weight"),
                .ttl_sec = arguments_number(arguments, "ttl", 0),
                .weight = arguments_number(arguments, "cpu-weight", 0),
                .policy = arguments_value(arguments, "restart"),
                .memory_high = arguments_value(arguments, "memory-high"),
                .labels = arguments_values(arguments, "label"),
                .removed = arguments_values(arguments, "remove-label"),
        };
}

/* The CVM's labels with the given ones. */
static ExitStatus update_add_labels(const Cli *cli, const UpdateOptions *options, json_object *cvm,
                                    json_object *parameters)
{
        json_object *labels =
                json_object_get(json_member(cvm, "labels")) ?: json_object_new_object();

        json_object_object_add(parameters, "labels", labels);
        for (size_t i = 0; i < options->removed.n; i++)
                json_object_object_del(labels, options->removed.at[i]);
        return labels_read(cli, &options->labels, labels);
}

/* Another policy keeps the rest of what the spec has of restarts. */
static void update_add_policy(const char *policy, json_object *cvm, json_object *parameters)
{
        json_object *restart = json_object_get(json_member(json_member(cvm, "spec"), "restart"))
                                       ?: json_object_new_object();

        json_object_object_add(restart, "policy", json_object_new_string(policy));
        json_object_object_add(parameters, "restart", restart);
}

/* What differs only by the CVM needs the CVM as it is. */
static ExitStatus update_add_own(const Cli *cli, const UpdateOptions *options,
                                 const SessionTarget *target, json_object *parameters)
{
        _cleanup_json_ json_object *cvm = NULL;
        ExitStatus status = reply_cvm(cli, target, true, &cvm);

        if (status.code)
                return status;
        /* a successor of the same name is another CVM */
        json_object_object_add(parameters, "id", json_object_get(json_member(cvm, "id")));
        if (options->policy)
                update_add_policy(options->policy, cvm, parameters);
        return options->labels.n || options->removed.n
                       ? update_add_labels(cli, options, cvm, parameters)
                       : EXIT_OK;
}

static ExitStatus update_one(const Cli *cli, const UpdateOptions *options,
                             const SessionTarget *target)
{
        _cleanup_json_ json_object *parameters = json_object_new_object(), *reply = NULL;
        ExitStatus status = EXIT_OK;

        session_put_target(target, parameters);
        if (options->has_ttl)
                json_object_object_add(parameters, "ttlSec",
                                       json_object_new_int64((int64_t)options->ttl_sec));
        if (options->has_weight)
                json_object_object_add(parameters, "cpuWeight",
                                       json_object_new_int64((int64_t)options->weight));
        if (options->memory_high)
                json_object_object_add(parameters, "memoryHigh",
                                       json_new_text(options->memory_high));
        if (options->policy || options->labels.n || options->removed.n)
                status = update_add_own(cli, options, target, parameters);
        if (!status.code)
                status = session_call(cli, MANAGER "Update", TAKE_PTR(parameters), &reply);
        if (status.code)
                return status;
        if (cli->json)
                output_json(json_member(reply, "cvm"));
        else
                printf("%s: updated\n", target->name);
        return EXIT_OK;
}

ExitStatus verb_update(const Arguments *arguments)
{
        const UpdateOptions options = update_options(arguments);
        const Cli *cli = &arguments->cli;
        size_t n = arguments->n_operands;
        SessionTarget *targets = NULL;
        ExitStatus status;

        if (!options.has_ttl && !options.has_weight && !options.policy && !options.memory_high &&
            !options.labels.n && !options.removed.n)
                return fail_usage(cli, "update requires an option: what to change");
        status = session_resolve(cli, arguments->operands, n, true, &targets);
        for (size_t i = 0; targets && i < n; i++)
                status = exit_first(status, update_one(cli, &options, &targets[i]));
        session_targets_free(targets, n);
        return status;
}

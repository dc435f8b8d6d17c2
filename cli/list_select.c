/* SPDX-License-Identifier: Apache-2.0 */
#include "list_select.h"

#include <fnmatch.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "cvm_text.h"
#include "fail.h"
#include "labels.h"
#include "reply.h"

#define SELECT_FILTERS "label, state, platform, owner, name or id"
#define SELECT_NAME "name="

ListSelectOptions list_select_options(const Arguments *arguments)
{
        return (ListSelectOptions){
                .filter = filter_options(arguments),
                .filters = arguments_values(arguments, "filter"),
                .names = arguments->operands,
                .n_names = arguments->n_operands,
                .all = arguments_has(arguments, "all"),
                .running = arguments_has(arguments, "running"),
        };
}

/* Adds states, which may have commas between them, to those that are shown. */
static ExitStatus list_select_add_states(const Cli *cli, ListSelection *selection,
                                         const char *states)
{
        for (const char *state = states;; state += strspn(state, ",")) {
                size_t size = strcspn(state, ",");
                char *all;

                if (!verb_is_choice(CVM_STATES, state, size))
                        return fail_usage(cli, "invalid state '%.*s': expected one of: %s",
                                          (int)size, state, CVM_STATES);
                all = text_format("%s%s%.*s", selection->states ?: "", selection->states ? " " : "",
                                  (int)size, state);
                if (!all)
                        return fail_memory(cli);
                free(selection->states);
                selection->states = all;
                state += size;
                if (!*state)
                        return EXIT_OK;
        }
}

/* A condition that can be given once; *option is where it is kept. */
static ExitStatus list_select_set(const Cli *cli, const char *key, const char *value,
                                  const char **option)
{
        if (*option)
                return fail_usage(cli, "%s is given twice", key);
        *option = value;
        return EXIT_OK;
}

/* One --filter KEY=VALUE. labels has room for one more. */
static ExitStatus list_select_add_filter(const Cli *cli, ListSelection *selection,
                                         FilterOptions *options, const char *filter)
{
        struct {
                const char *key, **option;
        } const once[] = {
                {"platform", &options->platform},
                {"owner", &options->owner},
                {"id", &options->id},
        };
        size_t key = strcspn(filter, "=");
        const char *value = filter + key + 1;

        if (!filter[key])
                return fail_usage(cli, "invalid --filter '%s': expected KEY=VALUE, where KEY is %s",
                                  filter, SELECT_FILTERS);
        if (strncmp(filter, SELECT_NAME, strlen(SELECT_NAME)) == 0)
                return EXIT_OK; /* list_select_matches() looks at it */
        if (key == strlen("state") && strncmp(filter, "state", key) == 0)
                return list_select_add_states(cli, selection, value);
        if (key == strlen("label") && strncmp(filter, "label", key) == 0) {
                if (!labels_is_label(value))
                        return fail_usage(cli, "invalid --filter '%s': expected label=NAME=VALUE",
                                          filter);
                options->labels.at[options->labels.n++] = value;
                return EXIT_OK;
        }
        for (size_t i = 0; i < ARRAY_SIZE(once); i++)
                if (key == strlen(once[i].key) && strncmp(filter, once[i].key, key) == 0)
                        return list_select_set(cli, once[i].key, value, once[i].option);
        return fail_usage(cli, "unknown --filter '%.*s': expected %s", (int)key, filter,
                          SELECT_FILTERS);
}

static ExitStatus list_select_add_all(const Cli *cli, const ListSelectOptions *options,
                                      ListSelection *selection)
{
        size_t n = options->filter.labels.n;
        _cleanup_free_ const char **labels =
                calloc(n + options->filters.n + 1, sizeof(*options->filter.labels.at));
        FilterOptions filter = options->filter;
        ExitStatus status = EXIT_OK;

        if (!labels)
                return fail_memory(cli);
        if (n)
                memcpy(labels, filter.labels.at, n * sizeof(*labels));
        filter.labels.at = labels;
        if (filter.state)
                status = list_select_add_states(cli, selection, TAKE_PTR(filter.state));
        if (!status.code && options->running)
                status = list_select_add_states(cli, selection, "running");
        for (size_t i = 0; !status.code && i < options->filters.n; i++)
                status = list_select_add_filter(cli, selection, &filter, options->filters.at[i]);
        if (!status.code && selection->states && !strchr(selection->states, ' '))
                filter.state = selection->states; /* the daemon can select by one */
        return status.code ? status : filter_apply(cli, &filter, selection->parameters);
}

ExitStatus list_select_read(const Cli *cli, const ListSelectOptions *options, ListSelection *ret)
{
        ListSelection selection = {
                .parameters = json_object_new_object(),
                .filters = options->filters,
                .n_targets = options->n_names,
        };
        ExitStatus status = EXIT_OK;

        if (options->all + options->running + (options->filter.state != NULL) > 1)
                status = fail_usage(cli, "--all, --running and --state exclude each other");
        if (!status.code)
                status = list_select_add_all(cli, options, &selection);
        if (!status.code && options->n_names)
                status = session_resolve(cli, options->names, options->n_names, true,
                                         &selection.targets);
        if (status.code)
                list_select_done(&selection);
        else
                *ret = selection;
        return status;
}

void list_select_done(ListSelection *selection)
{
        session_targets_free(selection->targets, selection->n_targets);
        json_object_put(selection->parameters);
        free(selection->states);
        *selection = (ListSelection){};
}

/* Whether it is one of the CVMs that were named. */
static bool list_select_is_target(const SessionTarget *target, json_object *cvm)
{
        const char *value = json_member_string(cvm, target->id ? "id" : "name");

        return value && strcmp(value, target->id ?: target->name) == 0;
}

static bool list_select_matches(const ListSelection *selection, json_object *cvm)
{
        const char *state = json_member_string(cvm, "state") ?: "";
        const char *name = json_member_string(cvm, "name") ?: "";
        bool by_name = false, named = false, is_target = !selection->targets;

        for (size_t i = 0; i < selection->filters.n; i++) {
                const char *filter = selection->filters.at[i];

                if (strncmp(filter, SELECT_NAME, strlen(SELECT_NAME)) != 0)
                        continue;
                by_name = true;
                named = named || fnmatch(filter + strlen(SELECT_NAME), name, 0) == 0;
        }
        for (size_t i = 0; selection->targets && i < selection->n_targets; i++)
                is_target = is_target || list_select_is_target(&selection->targets[i], cvm);
        return is_target && (named || !by_name) &&
               (!selection->states || verb_is_choice(selection->states, state, strlen(state)));
}

static bool list_select_has_target(const SessionTarget *target, json_object *cvms)
{
        for (size_t i = 0; i < json_object_array_length(cvms); i++)
                if (list_select_is_target(target, json_object_array_get_idx(cvms, i)))
                        return true;
        return false;
}

static bool list_select_has_all_targets(const ListSelection *selection, json_object *cvms)
{
        for (size_t i = 0; selection->targets && i < selection->n_targets; i++)
                if (!list_select_has_target(&selection->targets[i], cvms))
                        return false;
        return true;
}

/* Reports the CVMs that were named and are not there. cvms: all of the caller's. */
static ExitStatus list_select_report_missing(const Cli *cli, const ListSelection *selection,
                                             json_object *cvms)
{
        ExitStatus status = EXIT_OK;

        for (size_t i = 0; selection->targets && i < selection->n_targets; i++) {
                const SessionTarget *target = &selection->targets[i];
                _cleanup_(cvm_error_done) CvmError error = {};

                if (list_select_has_target(target, cvms))
                        continue;
                cvm_error_no_such_cvm(&error, target->id ? NULL : target->name, target->id);
                status = exit_first(status, fail_error(cli, &error, NULL));
        }
        return status;
}

/* The CVMs of all replies with their specs, which List returns only in pages. */
static ExitStatus list_select_call_pages(const Cli *cli, const ListSelection *selection,
                                         json_object **ret)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *cvms = json_object_new_array();
        ExitStatus status = session_connect(cli, &client);
        int r;

        if (status.code)
                return status;
        json_object_object_add(selection->parameters, "withSpec", json_object_new_boolean(true));
        r = wire_client_begin(client, MANAGER "List", json_object_get(selection->parameters), NULL,
                              0, &error);
        do {
                _cleanup_json_ json_object *reply = NULL;
                json_object *page;

                r = r < 0 ? r : session_next(client, &reply, &error);
                if (r < 0)
                        return fail_error(cli, &error, NULL);
                page = reply_member(cli, reply, "cvms", json_type_array);
                if (!page)
                        return exit_status(EXIT_FAILED);
                for (size_t i = 0; i < json_object_array_length(page); i++)
                        json_object_array_add(cvms,
                                              json_object_get(json_object_array_get_idx(page, i)));
        } while (r > 0);
        *ret = TAKE_PTR(cvms);
        return EXIT_OK;
}

/* parameters: of List; the function takes the reference. */
static ExitStatus list_select_call_once(const Cli *cli, json_object *parameters, json_object **ret)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvms;
        ExitStatus status = session_call(cli, MANAGER "List", parameters, &reply);

        if (status.code)
                return status;
        cvms = reply_member(cli, reply, "cvms", json_type_array);
        if (!cvms)
                return exit_status(EXIT_FAILED);
        *ret = json_object_get(cvms);
        return EXIT_OK;
}

/* A CVM that was named may exist and only not meet the conditions by which the daemon selected. */
static ExitStatus list_select_check_targets(const Cli *cli, const ListSelection *selection,
                                            json_object *cvms)
{
        _cleanup_json_ json_object *all = NULL;
        ExitStatus status;

        if (list_select_has_all_targets(selection, cvms))
                return EXIT_OK;
        status = list_select_call_once(cli, json_object_new_object(), &all);
        return status.code ? status : list_select_report_missing(cli, selection, all);
}

ExitStatus list_select_call(const Cli *cli, const ListSelection *selection, bool with_spec,
                            json_object **ret)
{
        _cleanup_json_ json_object *cvms = NULL, *selected = json_object_new_array();
        ExitStatus status =
                with_spec
                        ? list_select_call_pages(cli, selection, &cvms)
                        : list_select_call_once(cli, json_object_get(selection->parameters), &cvms);

        if (status.code)
                return status;
        for (size_t i = 0; i < json_object_array_length(cvms); i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);

                if (list_select_matches(selection, cvm))
                        json_object_array_add(selected, json_object_get(cvm));
        }
        status = list_select_check_targets(cli, selection, cvms);
        *ret = TAKE_PTR(selected);
        return status;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "list.h"

#include <string.h>

#include "base/json.h"
#include "filter.h"
#include "reply.h"
#include "session.h"

static const TableColumn columns[] = {
        {"NAME"},
        {"STATE"},
        {"READY"},
        {"PLATFORM"},
        {"CPUS", .right = true},
        {"MEMORY", .right = true},
        {"STARTED"},
        {"FORWARDS", .wrap = true},
        {},
};

static void list_row(json_object *cvm, char **cells)
{
        char when[OUTPUT_TIME_MAX];

        cells[0] = output_member(cvm, "name");
        cells[1] = output_member(cvm, "state");
        cells[2] = output_member(cvm, "ready");
        cells[3] = output_member(cvm, "platform");
        cells[4] = output_member(cvm, "cpus");
        cells[5] = output_size(cvm, "memory");
        cells[6] = strdup(output_time(json_member_int(cvm, "startedAt", 0), when));
        cells[7] = output_forwards(cvm);
}

ExitStatus list_print(const Cli *cli, json_object *parameters)
{
        return reply_table(cli, MANAGER "List", parameters, "cvms", columns, list_row);
}

ExitStatus verb_list(const Arguments *arguments)
{
        json_object *parameters = json_object_new_object();
        const FilterOptions filter = filter_options(arguments);
        ExitStatus status = filter_apply(&arguments->cli, &filter, parameters);

        if (!status.code)
                return list_print(&arguments->cli, parameters);
        json_object_put(parameters);
        return status;
}

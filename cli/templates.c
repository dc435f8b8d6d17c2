/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"
#include "session.h"

static const TableColumn columns[] = {
        {"NAME"},
        {"CONFIDENTIAL"},
        {"AVAILABLE"},
        {"STRENGTH", .right = true},
        {"ORIGIN"},
        {"DESCRIPTION", .cut = true},
        {},
};

static void templates_row(json_object *template, char **cells)
{
        static const char *const members[] = {"name",     "confidential", "available",
                                              "strength", "origin",       "description"};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                cells[i] = output_member(template, members[i]);
}

ExitStatus verb_templates(const Arguments *arguments)
{
        return reply_table(&arguments->cli, MANAGER "ListTemplates", NULL, "templates", columns,
                           templates_row);
}

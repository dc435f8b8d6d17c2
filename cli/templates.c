/* SPDX-License-Identifier: Apache-2.0 */
#include "cvm_text.h"
#include "reply.h"
#include "session.h"

static const TableColumn columns[] = {
        {"NAME", "name"},
        {"CONFIDENTIAL", "confidential", .colour = cvm_text_confidential_colour},
        {"AVAILABLE", "available"},
        {"STRENGTH", "strength", .right = true, .rank = 1},
        {"ORIGIN", "origin", .cut = true, .rank = 2},
        {"DESCRIPTION", "description", .wrap = true},
        {},
};

ExitStatus verb_templates(const Arguments *arguments)
{
        return reply_table(&arguments->cli, MANAGER "ListTemplates", NULL, "templates", columns,
                           arguments_has(arguments, "full"), "No platforms.");
}

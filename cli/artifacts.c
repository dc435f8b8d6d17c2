/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"
#include "session.h"

static const TableColumn columns[] = {
        {"NAME", "name", .cut = true, .least = 28},
        {"KIND", "kind"},
        {"SIZE", "size", .text = output_size, .right = true},
        {"ORIGIN", "origin", .rank = 1},
        {"USERS", "users", .right = true},
        {"SHA256", "sha256", .cut = true},
        {"SHA384", "sha384", .cut = true, .rank = 2},
        {},
};

ExitStatus verb_artifacts(const Arguments *arguments)
{
        return reply_table(&arguments->cli, MANAGER "ListArtifacts", NULL, "artifacts", columns,
                           arguments_has(arguments, "full"), "No artifacts.");
}

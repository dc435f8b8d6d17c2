/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"
#include "session.h"

static const TableColumn columns[] = {
        {"NAME"},
        {"KIND"},
        {"SIZE", .right = true},
        {"ORIGIN"},
        {"USERS", .right = true},
        {"SHA256", .cut = true},
        {"SHA384", .cut = true},
        {},
};

static void artifacts_row(json_object *artifact, char **cells)
{
        static const char *const members[] = {"name",  "kind",   "size",  "origin",
                                              "users", "sha256", "sha384"};

        for (size_t i = 0; i < ARRAY_SIZE(members); i++)
                cells[i] = output_member(artifact, members[i]);
}

ExitStatus verb_artifacts(const Arguments *arguments)
{
        return reply_table(&arguments->cli, MANAGER "ListArtifacts", NULL, "artifacts", columns,
                           artifacts_row);
}

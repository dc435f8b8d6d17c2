/* SPDX-License-Identifier: Apache-2.0 */
#include "check_block.h"

#include <langinfo.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "output.h"
#include "paragraph.h"

#define CHECK_LABEL_WIDTH 14 /* of "    required: " */

void check_block_title(FILE *stream, bool passed, const char *name, const char *note)
{
        _cleanup_free_ char *safe = text_escape_control(name);
        _cleanup_free_ char *text = note ? text_format("%s: %s", safe ?: "", note) : NULL;
        bool symbols = output_redraws(stream) && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
        const char *symbol = passed ? "✓ " : "✗ ";
        const char *colour = passed ? OUTPUT_GREEN : OUTPUT_RED;
        size_t indent = (symbols ? 2 : 0) + strlen("FAIL ");

        if (!output_colour(stream))
                colour = "";
        fprintf(stream, "%s%s%s%s ", colour, symbols ? symbol : "", passed ? "OK  " : "FAIL",
                *colour ? OUTPUT_PLAIN : "");
        paragraph_print(stream, text ?: safe ?: "", indent, indent);
}

/* A line below it: "    found:    TEXT". Nothing if text is NULL or empty. */
static void check_block_line(FILE *stream, const char *label, const char *text)
{
        _cleanup_free_ char *safe = text ? text_escape_control(text) : NULL;

        if (!safe || !*safe)
                return;
        fprintf(stream, "    %s:%*s", label, CHECK_LABEL_WIDTH - 5 - (int)strlen(label), "");
        paragraph_print(stream, safe, CHECK_LABEL_WIDTH, CHECK_LABEL_WIDTH);
}

static void check_block_remedy(FILE *stream, json_object *check)
{
        check_block_line(stream, "required", json_member_string(check, "needed"));
        check_block_line(stream, "fix", json_member_string(check, "fix"));
}

void check_block_details(FILE *stream, json_object *check)
{
        check_block_line(stream, "found", json_member_string(check, "found"));
        check_block_remedy(stream, check);
}

static bool check_block_same(json_object *one, json_object *other, const char *key)
{
        return strcmp(json_member_string(one, key) ?: "", json_member_string(other, key) ?: "") ==
               0;
}

void check_block_list(FILE *stream, json_object *checks)
{
        json_object *before = NULL;
        size_t n =
                json_object_is_type(checks, json_type_array) ? json_object_array_length(checks) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *check = json_object_array_get_idx(checks, i);
                bool passed = json_member_bool(check, "passed", false);

                if (before && !passed && check_block_same(before, check, "name") &&
                    check_block_same(before, check, "found")) {
                        check_block_remedy(stream, check);
                        continue;
                }
                check_block_title(stream, passed, json_member_string(check, "name") ?: "-", NULL);
                check_block_details(stream, check);
                before = passed ? NULL : check;
        }
}

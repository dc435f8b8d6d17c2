/* SPDX-License-Identifier: Apache-2.0 */

/* Strict JSON: what json_parse() accepts must be what json-c's own parser makes of it, and survive
 * being written and parsed again, and
 * json_parse_mended() accepts nothing that it does, and what it gives can be written and parsed. Of
 * what json_scan() accepts json_parse() refuses nothing but members given twice and too many
 * values. The canonical text of a value is that of what it parses to. Places that are looked for
 * are in the text. */

#include <stdlib.h>
#include <string.h>

#include "base/canonical.h"
#include "base/json.h"
#include "base/json_place.h"
#include "fuzz.h"

/* Whether the text has a code point such as U+1DA00: json-c takes it for half of a surrogate pair
 * by its lower 16 bits if it was written as a pair of escapes, and puts U+FFFD in its place. */
static bool json_c_repairs(const char *text)
{
        for (const unsigned char *c = (const unsigned char *)text; *c; c++)
                if (*c >= 0xf0) {
                        uint32_t point = (*c & 7u) << 18 | (c[1] & 63u) << 12 | (c[2] & 63u) << 6;

                        if ((point & 0xf800) == 0xd800)
                                return true;
                }
        return false;
}

/* A tree of ours, and json-c's of the same text. */
static void check_like_json_c(json_object *ours, const char *data, size_t size)
{
        json_tokener *tokener = json_tokener_new_ex(JSON_DEPTH_MAX + 1);
        json_object *theirs;

        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        theirs = json_tokener_parse_ex(tokener, data, (int)size);
        if (json_tokener_get_error(tokener) == json_tokener_continue) /* a number ends here */
                theirs = json_tokener_parse_ex(tokener, "", -1);
        if (json_tokener_get_error(tokener) != json_tokener_success ||
            (!json_c_repairs(json_object_to_json_string(ours)) &&
             (!json_object_equal(ours, theirs) ||
              strcmp(json_object_to_json_string(ours), json_object_to_json_string(theirs)) != 0)))
                abort();
        json_object_put(theirs);
        json_tokener_free(tokener);
}

static bool parse(const char *data, size_t size, json_object **ret)
{
        JsonParseError where = {};
        JsonScan scan;
        bool scanned = json_scan(data, size, &scan) == 0;
        bool parsed = json_parse(data, size, ret, &where) == 0;

        if (scanned && scan.values > JSON_VALUES_MAX ? parsed || !where.values
            : scanned ? !parsed && strcmp(where.reason, "a duplicate member") != 0
                      : parsed)
                abort();
        if (!scanned && (scan.at > size || !scan.reason))
                abort();
        if (parsed)
                check_like_json_c(*ret, data, size);
        return parsed;
}

static void check_canonical(json_object *object)
{
        _cleanup_(buffer_done) Buffer text = {}, text_again = {};
        _cleanup_json_ json_object *again = NULL;

        if (canonical_write(object, &text) < 0)
                return; /* a number that it refuses */
        if (json_parse(text.data, text.size, &again, NULL) < 0 ||
            canonical_write(again, &text_again) < 0 || strcmp(text.data, text_again.data) != 0)
                abort();
}

/* Whatever is found stands in the text, and a path finds the same beside others as alone. */
static void check_places(const char *data, size_t size)
{
        static const char *const paths[] = {"a.b[1].c", "a", "", "[0]", "name", "\xe2\x80\xa6"};
        JsonMember members[ARRAY_SIZE(paths)] = {};
        JsonPlace end = {};

        for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
                members[i].path = paths[i];
        json_place_members(data, size, members, ARRAY_SIZE(members));
        json_place_advance(&end, data, size);
        for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
                if (json_place_line(data, size, paths[i]) != members[i].line ||
                    members[i].line > end.line || !members[i].line != !members[i].column)
                        abort();
        }
        if (!members[2].line)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *object = NULL, *again = NULL, *replaced = NULL;
        _cleanup_free_ char *path = NULL;
        const char *text;
        bool good = parse((const char *)data, size, &object);

        if (json_parse_mended((const char *)data, size, JSON_VALUES_MAX, &replaced, &path, NULL) ==
            0) {
                if (good || !path)
                        abort();
                object = TAKE_PTR(replaced);
        } else if (!good) {
                return 0;
        }
        text = json_text(object);
        if (json_parse(text, strlen(text), &again, NULL) < 0)
                abort();
        check_canonical(object);
        if (good)
                check_places((const char *)data, size);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* YAML of a spec file: what yaml_json_new() accepts is a text by the grammar of JSON, of which
 * json_parse() refuses only what it says it does; each of its lines has a place in the YAML text,
 * and so has each refusal. */

#include <stdlib.h>
#include <string.h>

#include "../../cli/yaml_json.h"
#include "base/json.h"
#include "base/json_place.h"
#include "fuzz.h"

/* libyaml counts more kinds of line breaks than JsonPlace does. */
static void check_place(size_t size, unsigned line, unsigned column)
{
        if (line < 1 || line > size + 1 || column < 1 || column > size + 1)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *object = NULL;
        JsonParseError where = {};
        YamlJson json = {};
        JsonPlace end = {};
        JsonScan scan;

        if (yaml_json_new((const char *)data, size, &json, &where) < 0) {
                check_place(size, where.line, where.column);
                if (!*where.reason || json.text.data || json.places)
                        abort();
                return 0;
        }
        /* what JSON's grammar has and no caller could use is left to json_parse() */
        if (json_scan(json.text.data, json.text.size, &scan) < 0 &&
            !strstr(scan.reason, "a NUL character") && !strstr(scan.reason, "range of a double") &&
            !strstr(scan.reason, "64 bits") && !strstr(scan.reason, "a number that is too long"))
                abort();
        json_place_advance(&end, json.text.data, json.text.size);
        if (end.line != json.n_places)
                abort();
        for (unsigned line = 0; line <= end.line + 1; line++) {
                YamlPlace place = yaml_json_place(&json, line);

                check_place(size, place.line, place.column);
        }
        json_parse(json.text.data, json.text.size, &object, &where);
        yaml_json_done(&json);
        return 0;
}

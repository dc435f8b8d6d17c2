/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * YAML as JSON: what people write as YAML 1.2 (https://yaml.org/spec/1.2.2/), read by libyaml and
 * written as a JSON text of the same value, for json_parse(), which checks the rest. The places of
 * what is wrong are those of the YAML text.
 *
 * Scalars are resolved by the JSON schema of YAML (chapter 10.2): of plain scalars only true,
 * false, null and JSON's numbers are not strings; what YAML 1.1 calls a boolean ("no", "on") is a
 * string. Anything that a reader could take for something else is refused: anchors, aliases, tags,
 * names that are not strings, plain scalars that are empty, a second document, and a %YAML
 * directive for another version. So no value is ever copied, and the JSON text is at most about six
 * times as large as the YAML text.
 */

#include "base/buffer.h"
#include "base/json_parse.h"

typedef struct YamlPlace {
        unsigned line, column; /* counted from 1, the column in characters */
} YamlPlace;

typedef struct YamlJson {
        Buffer text;       /* each name and each value begins a line of its own */
        YamlPlace *places; /* of the first, second, … line of `text` in the YAML text */
        size_t n_places;
} YamlJson;

/* Reads `size` bytes of UTF-8, of at most JSON_VALUES_MAX values in JSON_DEPTH_MAX levels. Returns
 * 0, -EBADMSG (ret_where filled), or -ENOMEM. What libyaml had of the text is overwritten. */
int yaml_json_new(const char *data, size_t size, YamlJson *ret, JsonParseError *ret_where);
void yaml_json_done(YamlJson *json);

/* From a line of the JSON text to the place of it in the YAML text. */
YamlPlace yaml_json_place(const YamlJson *json, unsigned line);

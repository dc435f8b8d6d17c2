/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_parse.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/json_access.h"
#include "base/json_place.h"
#include "base/json_scan.h"
#include "base/json_tree.h"

static int json_parse_error(JsonParseError *ret, const char *data, size_t at, const char *reason)
{
        if (ret) {
                JsonPlace place = {};

                json_place_advance(&place, data, at);
                ret->line = place.line;
                ret->column = place.column;
                snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
                ret->values = 0;
        }
        return -EBADMSG;
}

static int too_many_values(JsonParseError *ret, size_t values, size_t max)
{
        if (ret) {
                *ret = (JsonParseError){.line = 1, .column = 1, .values = values};
                snprintf(ret->reason, sizeof(ret->reason),
                         "too many JSON values: %zu; at most %zu are allowed", values, max);
        }
        return -E2BIG;
}

int json_parse_bounded(const char *data, size_t size, size_t values_max, json_object **ret,
                       JsonParseError *ret_where)
{
        size_t at;
        JsonScan scan;
        int r;

        if (size > INT_MAX)
                return json_parse_error(ret_where, data, 0, "too long");
        r = json_scan(data, size, &scan);
        if (r < 0)
                return json_parse_error(ret_where, data, scan.at, scan.reason);
        if (scan.values > values_max)
                return too_many_values(ret_where, scan.values, values_max);
        r = json_tree_new(data, size, ret, &at);
        return r == -EEXIST ? json_parse_error(ret_where, data, at, "a duplicate member") : r;
}

int json_parse(const char *data, size_t size, json_object **ret, JsonParseError *ret_where)
{
        int r = json_parse_bounded(data, size, JSON_VALUES_MAX, ret, ret_where);

        return r == -E2BIG ? -EBADMSG : r;
}

int json_parse_mended(const char *data, size_t size, size_t values_max, json_object **ret,
                      char **ret_path, JsonParseError *ret_where)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *copy = malloc(size ?: 1);
        size_t first;
        int r;

        if (!copy)
                return -ENOMEM;
        memcpy(copy, data, size);
        r = json_scan_mend(copy, size, &first);
        if (r == 0 && first == SIZE_MAX)
                r = -EBADMSG;
        if (r == 0)
                r = json_parse_bounded(copy, size, values_max, &object, ret_where);
        if (r == 0)
                r = json_place_path(copy, size, first, ret_path);
        explicit_bzero(copy, size);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(object);
        return 0;
}

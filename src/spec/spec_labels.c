/* SPDX-License-Identifier: Apache-2.0 */
/* Labels: what a client notes about a CVM, to find it again by. */
#include "spec/spec.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "spec/spec_internal.h"

static bool label_name_is_valid(const char *name)
{
        static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789._-/";
        size_t length = strlen(name);

        return length >= 1 && length <= SPEC_LABEL_NAME_MAX && strspn(name, letters) == length &&
               !strchr("._-/", name[0]);
}

/* The reason why the text cannot be a label's value, or NULL. */
static const char *label_value_fault(const char *value, size_t size)
{
        if (size > SPEC_LABEL_VALUE_MAX)
                return "a label's value must not be longer than 255 bytes";
        for (size_t i = 0; i < size;) {
                uint32_t point;
                size_t length = text_utf8_point(value + i, size - i, &point);

                if (length == 0)
                        return "is not valid UTF-8";
                if (text_is_control(point))
                        return "contains a control character or a mark that cannot be seen";
                i += length;
        }
        return NULL;
}

static void label_check(const char *name, json_object *value, CvmError *error)
{
        char field[SPEC_FIELD_MAX];
        const char *fault;

        spec_field(field, "labels", name);
        if (!label_name_is_valid(name))
                fault_add(error, field,
                          "a label's name must be 1 to %d letters, digits, '.', '_', '-' and '/', "
                          "and begin with a letter or digit",
                          SPEC_LABEL_NAME_MAX);
        if (!json_object_is_type(value, json_type_string)) {
                fault_add(error, field, "must be a string");
                return;
        }
        fault = label_value_fault(json_object_get_string(value),
                                  (size_t)json_object_get_string_len(value));
        if (fault)
                fault_add(error, field, "%s", fault);
}

int spec_check_labels(json_object *object, CvmError *error)
{
        size_t n = object ? (size_t)json_object_object_length(object) : 0, bytes = 0;

        if (n == 0)
                return 0;
        if (n > SPEC_LABELS_MAX) {
                fault_add(error, "labels", "has %zu labels; at most %d are allowed", n,
                          SPEC_LABELS_MAX);
                return -EINVAL;
        }
        json_object_object_foreach (object, name, value) {
                label_check(name, value, error);
                bytes += strlen(name);
                if (json_object_is_type(value, json_type_string))
                        bytes += (size_t)json_object_get_string_len(value);
        }
        if (bytes > SPEC_LABELS_BYTES_MAX)
                fault_add(error, "labels",
                          "names and values have %zu bytes together; at most %d are allowed", bytes,
                          SPEC_LABELS_BYTES_MAX);
        return fault_result(error);
}

int spec_parse_labels(json_object *object, CvmSpec *spec, CvmError *error)
{
        /* after any fault, one elsewhere in the spec included, nobody uses them */
        if (spec_check_labels(object, error) < 0 || !object ||
            json_object_object_length(object) == 0)
                return 0;
        /* a copy: the strings of the call are cleared after it */
        return json_object_deep_copy(object, &spec->labels, NULL) < 0 ? -ENOMEM : 0;
}

bool spec_labels_match(json_object *labels, json_object *wanted)
{
        if (!wanted)
                return true;
        json_object_object_foreach (wanted, name, value) {
                const char *found = json_member_string(labels, name);

                if (!found || strcmp(found, json_object_get_string(value)) != 0)
                        return false;
        }
        return true;
}

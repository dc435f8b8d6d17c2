/* SPDX-License-Identifier: Apache-2.0 */

/* Strict JSON: what json_parse() accepts must survive being written and parsed again, and
 * json_parse_nul() accepts nothing that it does, and what it gives can be written and parsed. */

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_json_ json_object *object = NULL, *again = NULL, *replaced = NULL;
        _cleanup_free_ char *path = NULL;
        const char *text;
        bool good = json_parse((const char *)data, size, &object, NULL) == 0;

        if (json_parse_nul((const char *)data, size, &replaced, &path) == 0) {
                if (good || !path)
                        abort();
                object = TAKE_PTR(replaced);
        } else if (!good) {
                return 0;
        }
        text = json_text(object);
        if (json_parse(text, strlen(text), &again, NULL) < 0)
                abort();
        json_locate((const char *)data, size, "a.b[1].c");
        return 0;
}

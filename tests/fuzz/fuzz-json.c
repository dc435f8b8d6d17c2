/* SPDX-License-Identifier: Apache-2.0 */

/* Strict JSON: what json_parse() accepts must survive being written and parsed again, and
 * json_parse_nul() accepts nothing that it does, and what it gives can be written and parsed. The
 * canonical text of a value is that of what it parses to. */

#include <stdlib.h>
#include <string.h>

#include "base/canonical.h"
#include "base/json.h"
#include "fuzz.h"

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
        check_canonical(object);
        json_locate((const char *)data, size, "a.b[1].c");
        return 0;
}

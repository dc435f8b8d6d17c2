/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/json_place.h"
#include "base/text.h"
#include "template/template_internal.h"

int document_new(const char *name, const char *label, const char *text, size_t size, Document **ret,
                 CvmError *error)
{
        _cleanup_(document_freep) Document *document = calloc(1, sizeof(*document));
        JsonParseError where;
        int r = -ENOMEM;

        if (document) {
                document->label = strdup(label);
                document->text = strndup(text, size);
                document->size = size;
        }
        if (document && document->label && document->text)
                r = json_parse(text, size, &document->root, &where);
        if (r == -EBADMSG)
                return cvm_error_template(error, name, "%s:%u:%u: not valid JSON: %s", label,
                                          where.line, where.column, where.reason);
        if (r < 0)
                return cvm_error_system(error, r, "read %s", label);
        *ret = TAKE_PTR(document);
        return 0;
}

Document *document_free(Document *document)
{
        if (!document)
                return NULL;
        free(document->label);
        free(document->text);
        json_object_put(document->root);
        free(document);
        return NULL;
}

char *document_label(const char *path, const char *name)
{
        if (path)
                return strdup(path);
        return text_format("built-in %s.json", name);
}

/* The line of what the path names, or of the nearest thing around it that has one. */
static unsigned document_line_of(const Document *document, const char *path)
{
        _cleanup_free_ char *around = strdup(path);
        unsigned line = 0;

        while (around && *around && !line) {
                char *dot = strrchr(around, '.'), *bracket = strrchr(around, '[');

                line = json_place_line(document->text, document->size, around);
                if (!dot && !bracket)
                        break;
                *(bracket > dot ? bracket : dot) = 0;
        }
        return line ?: 1;
}

int document_refuse(const Document *document, const char *name, const char *path,
                    const char *reason, CvmError *error)
{
        return cvm_error_template(error, name, "%s:%u: %s%s%s", document->label,
                                  document_line_of(document, path), path, *path ? ": " : "",
                                  reason);
}

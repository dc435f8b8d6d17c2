/* SPDX-License-Identifier: Apache-2.0 */
#include "environment.h"

#include <string.h>

#include "base/assignments.h"
#include "base/text.h"

static bool name_is_valid(const char *name, size_t size)
{
        if (size == 0 || (name[0] >= '0' && name[0] <= '9'))
                return false;
        for (size_t i = 0; i < size; i++)
                if (!(name[i] >= 'a' && name[i] <= 'z') && !(name[i] >= 'A' && name[i] <= 'Z') &&
                    !(name[i] >= '0' && name[i] <= '9') && name[i] != '_')
                        return false;
        return true;
}

static bool value_is_valid(const Buffer *value)
{
        for (size_t i = 0; i < value->size; i++) {
                unsigned char c = (unsigned char)value->data[i];

                if ((c < 0x20 && c != '\t' && c != '\n') || c == 0x7f)
                        return false;
        }
        return true;
}

static int add(void *userdata, unsigned line, const char *name, size_t size, Buffer *value)
{
        Environment *environment = userdata;
        size_t n = environment->n_variables;
        EnvironmentVariable *variable;

        if (!name_is_valid(name, size) || !value_is_valid(value)) {
                environment->n_dropped++;
                return 0;
        }
        if ((n & (n - 1)) == 0) {
                variable = reallocarray(environment->variables, n ? 2 * n : 1, sizeof(*variable));
                if (!variable)
                        return -ENOMEM;
                environment->variables = variable;
        }
        variable = environment->variables + n;
        *variable = (EnvironmentVariable){strndup(name, size), buffer_take(value), n};
        environment->n_variables++; /* also half-built: environment_done() frees it */
        return variable->name && variable->value ? 0 : -ENOMEM;
}

static int compare(const void *a, const void *b)
{
        const EnvironmentVariable *first = a, *second = b;
        int r = strcmp(first->name, second->name);

        return r ?: (first->line > second->line) - (first->line < second->line);
}

/* Sorts by name and keeps the last assignment of each. */
static void settle(Environment *environment)
{
        EnvironmentVariable *variables = environment->variables;
        size_t kept = 0;

        if (environment->n_variables == 0)
                return;
        qsort(variables, environment->n_variables, sizeof(*variables), compare);
        for (size_t i = 1; i < environment->n_variables; i++) {
                if (strcmp(variables[i].name, variables[kept].name) == 0) {
                        free(variables[kept].name);
                        free(variables[kept].value);
                } else {
                        kept++;
                }
                variables[kept] = variables[i];
        }
        environment->n_variables = kept + 1;
}

int environment_parse(const char *text, size_t size, Environment *ret)
{
        static const AssignmentsSink sink = {.assign = add};
        _cleanup_(environment_done) Environment environment = {};
        int r;

        if ((size && memchr(text, 0, size)) || !text_is_utf8(text, size))
                return -EBADMSG;
        r = assignments_read(text, size, &sink, &environment);
        if (r < 0)
                return r;
        settle(&environment);
        *ret = environment;
        environment = (Environment){};
        return 0;
}

void environment_done(Environment *environment)
{
        for (size_t i = 0; i < environment->n_variables; i++) {
                free(environment->variables[i].name);
                free(environment->variables[i].value);
        }
        free(environment->variables);
        *environment = (Environment){};
}

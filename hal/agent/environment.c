/* SPDX-License-Identifier: Apache-2.0 */
#include "environment.h"

#include <string.h>

#include "base/text.h"

typedef struct Scanner {
        const char *next, *end;
} Scanner;

static bool is_line_end(char c)
{
        return c == '\n' || c == '\r';
}

static bool is_blank(char c)
{
        return c == ' ' || c == '\t';
}

static void skip_line(Scanner *scanner)
{
        while (scanner->next < scanner->end && !is_line_end(*scanner->next++))
                ;
}

/* The key, up to and with its '='. Returns false at the end of a line that has none. The first
 * character belongs to the key whatever it is. */
static bool read_key(Scanner *scanner, const char **ret, size_t *ret_size)
{
        const char *start = scanner->next++, *end;

        while (scanner->next < scanner->end && *scanner->next != '=' &&
               !is_line_end(*scanner->next))
                scanner->next++;
        if (scanner->next == scanner->end || is_line_end(*scanner->next))
                return false;
        end = scanner->next++;
        while (end > start && is_blank(end[-1]))
                end--;
        *ret = start;
        *ret_size = (size_t)(end - start);
        return true;
}

/* A quoted part, after its opening quote, up to and with its closing one. */
static int read_quoted(Scanner *scanner, char quote, Buffer *value)
{
        while (scanner->next < scanner->end) {
                char c = *scanner->next++;

                if (c == quote)
                        return 0;
                if (c == '\\' && quote == '"') {
                        if (scanner->next == scanner->end)
                                return 0;
                        if (*scanner->next == '\n') {
                                scanner->next++;
                                continue;
                        }
                        if (strchr("\"\\$`", *scanner->next))
                                c = *scanner->next++;
                }
                if (buffer_append(value, &c, 1) < 0)
                        return -ENOMEM;
        }
        return 0;
}

/* The value, up to and with the end of its line. */
static int read_value(Scanner *scanner, Buffer *value)
{
        bool unquoted = false; /* in the unquoted part, which is the last one */
        size_t keep = 0;       /* length without the blanks at the end that do not count */

        while (scanner->next < scanner->end) {
                char c = *scanner->next++;
                int r = 0;

                if (is_line_end(c))
                        break;
                if (!unquoted && (c == '\'' || c == '"')) {
                        r = read_quoted(scanner, c, value);
                        keep = value->size;
                } else if (c == '\\') {
                        unquoted = true;
                        if (scanner->next < scanner->end) {
                                c = *scanner->next++;
                                if (!is_line_end(c))
                                        r = buffer_append(value, &c, 1);
                        }
                        keep = value->size;
                } else if (unquoted || !is_blank(c)) {
                        unquoted = true;
                        r = buffer_append(value, &c, 1);
                        if (!is_blank(c))
                                keep = value->size;
                }
                if (r < 0)
                        return r;
        }
        if (value->data)
                value->data[keep] = 0;
        value->size = keep;
        return 0;
}

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

static int add(Environment *environment, const char *name, size_t size, Buffer *value)
{
        size_t n = environment->n_variables;
        EnvironmentVariable *variable;

        if (!name_is_valid(name, size) || !value_is_valid(value)) {
                environment->n_dropped++;
                buffer_done(value);
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
        _cleanup_(environment_done) Environment environment = {};
        _cleanup_(buffer_done) Buffer value = {};
        Scanner scanner = {text, text + size};

        if ((size && memchr(text, 0, size)) || !text_is_utf8(text, size))
                return -EBADMSG;
        while (scanner.next < scanner.end) {
                const char *name;
                size_t name_size;

                if (is_blank(*scanner.next) || is_line_end(*scanner.next)) {
                        scanner.next++;
                } else if (*scanner.next == '#' || *scanner.next == ';') {
                        skip_line(&scanner);
                } else if (read_key(&scanner, &name, &name_size)) {
                        int r = read_value(&scanner, &value);

                        if (r < 0)
                                return r;
                        r = add(&environment, name, name_size, &value);
                        if (r < 0)
                                return r;
                }
        }
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "local/exposition.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NSEC_PER_SEC UINT64_C(1000000000)
#define SECONDS_MAX 40 /* bytes of a number of seconds as text */

static const struct {
        const char *name;   /* in OpenMetrics */
        const char *older;  /* in Prometheus's format */
        const char *suffix; /* of the name of a sample */
} types[_METRIC_TYPE_MAX] = {
        [METRIC_GAUGE] = {"gauge", "gauge", ""},
        [METRIC_COUNTER] = {"counter", "counter", "_total"},
        [METRIC_HISTOGRAM] = {"histogram", "histogram", ""},
        [METRIC_INFO] = {"info", "gauge", "_info"},
};

int exposition_format_parse(const char *name, ExpositionFormat *ret)
{
        if (strcmp(name, "openmetrics") == 0)
                *ret = EXPOSITION_OPENMETRICS;
        else if (strcmp(name, "prometheus") == 0)
                *ret = EXPOSITION_PROMETHEUS;
        else
                return -EINVAL;
        return 0;
}

void exposition_done(Exposition *exposition)
{
        buffer_done(&exposition->text);
}

static void exposition_note(Exposition *exposition, int r)
{
        if (exposition->r == 0)
                exposition->r = r;
}

#define PRINT(exposition, ...)                                                                     \
        exposition_note(exposition, buffer_appendf(&(exposition)->text, __VA_ARGS__))

void exposition_begin(Exposition *exposition, const MetricFamily *family)
{
        bool open = exposition->format == EXPOSITION_OPENMETRICS;
        const char *suffix = open ? "" : types[family->type].suffix;

        exposition->family = family;
        PRINT(exposition, "# TYPE %s%s %s\n", family->name, suffix,
              open ? types[family->type].name : types[family->type].older);
        if (open && family->unit)
                PRINT(exposition, "# UNIT %s %s\n", family->name, family->unit);
        PRINT(exposition, "# HELP %s%s %s\n", family->name, suffix, family->help);
}

/* A label's value with what ends it, a line or an escape escaped. */
static void exposition_escape(Exposition *exposition, const char *value)
{
        for (; *value; value++)
                switch (*value) {
                case '\n':
                        PRINT(exposition, "\\n");
                        break;
                case '"':
                case '\\':
                        PRINT(exposition, "\\%c", *value);
                        break;
                default:
                        exposition_note(exposition, buffer_append(&exposition->text, value, 1));
                }
}

/* What stands before a sample's value. le: the bound of a histogram's bucket, or NULL. */
static void exposition_name(Exposition *exposition, const char *suffix, const char *le,
                            const char *a, const char *b)
{
        const char *const values[METRIC_LABELS_MAX] = {a, b};
        const MetricFamily *family = exposition->family;
        const char *before = "{";

        PRINT(exposition, "%s%s", family->name, suffix);
        for (size_t i = 0; i < METRIC_LABELS_MAX && family->labels[i] && values[i]; i++) {
                PRINT(exposition, "%s%s=\"", before, family->labels[i]);
                exposition_escape(exposition, values[i]);
                PRINT(exposition, "\"");
                before = ",";
        }
        if (le) {
                PRINT(exposition, "%sle=\"%s\"", before, le);
                before = ",";
        }
        PRINT(exposition, "%s ", *before == ',' ? "}" : "");
}

/* Exactly, with at least one digit behind the point, as bounds of buckets are written. */
static const char *format_seconds(uint64_t nsec, char buffer[static SECONDS_MAX])
{
        int n = snprintf(buffer, SECONDS_MAX, "%" PRIu64 ".%09" PRIu64, nsec / NSEC_PER_SEC,
                         nsec % NSEC_PER_SEC);

        while (buffer[n - 1] == '0' && buffer[n - 2] != '.')
                buffer[--n] = '\0';
        return buffer;
}

void exposition_add(Exposition *exposition, uint64_t value, const char *a, const char *b)
{
        exposition_name(exposition, types[exposition->family->type].suffix, NULL, a, b);
        PRINT(exposition, "%" PRIu64 "\n", value);
}

void exposition_add_nsec(Exposition *exposition, uint64_t nsec, const char *a, const char *b)
{
        char seconds[SECONDS_MAX];

        exposition_name(exposition, types[exposition->family->type].suffix, NULL, a, b);
        PRINT(exposition, "%s\n", format_seconds(nsec, seconds));
}

void exposition_add_histogram(Exposition *exposition, const Histogram *histogram, const char *a)
{
        char seconds[SECONDS_MAX];
        uint64_t n = 0;

        for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
                const char *le =
                        i < HISTOGRAM_BOUNDS ? format_seconds(histogram_bound(i), seconds) : "+Inf";

                n += histogram->counts[i];
                exposition_name(exposition, "_bucket", le, a, NULL);
                PRINT(exposition, "%" PRIu64 "\n", n);
        }
        exposition_name(exposition, "_sum", NULL, a, NULL);
        PRINT(exposition, "%s\n", format_seconds(histogram->sum, seconds));
        exposition_name(exposition, "_count", NULL, a, NULL);
        PRINT(exposition, "%" PRIu64 "\n", n);
}

int exposition_end(Exposition *exposition, char **ret)
{
        if (exposition->format == EXPOSITION_OPENMETRICS)
                PRINT(exposition, "# EOF\n");
        if (exposition->r < 0)
                return exposition->r;
        *ret = buffer_take(&exposition->text);
        return *ret ? 0 : -ENOMEM;
}

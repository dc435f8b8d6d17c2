/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Metrics as text, in one of two formats: OpenMetrics 1.0
 * (https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md), and the
 * older text format 0.0.4 of Prometheus, which the textfile collector of node-exporter reads. They
 * differ in the name of a family of counters (the older has _total in it), in the type of an info
 * (a gauge in the older), and in UNIT and EOF, which only OpenMetrics has.
 *
 * An exposition is zeroed at first, with its format. Families come one after the other, each
 * followed by its samples. No function reports a failure but exposition_end().
 */

#include "base/buffer.h"
#include "local/histogram.h"

typedef enum ExpositionFormat {
        EXPOSITION_OPENMETRICS,
        EXPOSITION_PROMETHEUS,
} ExpositionFormat;

/* Returns 0 or -EINVAL. */
int exposition_format_parse(const char *name, ExpositionFormat *ret);

typedef enum MetricType {
        METRIC_GAUGE,
        METRIC_COUNTER,
        METRIC_HISTOGRAM,
        METRIC_INFO,
        _METRIC_TYPE_MAX,
} MetricType;

#define METRIC_LABELS_MAX 2

/* All strings are static. */
typedef struct MetricFamily {
        const char *name; /* without the suffix of its type; ends in the unit, if there is one */
        MetricType type;
        const char *unit; /* a base unit: seconds or bytes; NULL: none */
        const char *help;
        const char *labels[METRIC_LABELS_MAX]; /* names; NULL: no more */
} MetricFamily;

typedef struct Exposition {
        ExpositionFormat format;
        const MetricFamily *family; /* borrowed; the current one */
        Buffer text;
        int r; /* the first failure */
} Exposition;

void exposition_done(Exposition *exposition);

/* The lines about a family, before its first sample. The family must outlive its samples. */
void exposition_begin(Exposition *exposition, const MetricFamily *family);
/* A sample of the current family. a, b: the values of its labels, any text in UTF-8; NULL for a
 * label that the family does not have. */
void exposition_add(Exposition *exposition, uint64_t value, const char *a, const char *b);
/* The same in seconds. */
void exposition_add_nsec(Exposition *exposition, uint64_t nsec, const char *a, const char *b);
/* The samples of a histogram, of a family with at most one label. */
void exposition_add_histogram(Exposition *exposition, const Histogram *histogram, const char *a);
/* Ends the text. Returns 0 with the text in *ret (owned by the caller), or -ENOMEM. */
int exposition_end(Exposition *exposition, char **ret);

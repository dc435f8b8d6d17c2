/* SPDX-License-Identifier: Apache-2.0 */

/* What the daemon counts, and the text that shows it. */

#include "test.h"

#include "local/exposition.h"
#include "local/metrics.h"

#define MSEC UINT64_C(1000000)
#define SEC (1000 * MSEC)

static const MetricFamily plain = {"m_plain", METRIC_GAUGE, NULL, "Plain.", {NULL}};
static const MetricFamily odd = {"m_odd", METRIC_COUNTER, NULL, "Odd.", {"a", "b"}};
static const MetricFamily info = {"m_build", METRIC_INFO, NULL, "Info.", {"version"}};
static const MetricFamily times = {
        "m_times_seconds", METRIC_HISTOGRAM, "seconds", "Times.", {"what"}};
static const MetricFamily age = {"m_age_seconds", METRIC_GAUGE, "seconds", "Age.", {NULL}};

static char *write_all(ExpositionFormat format)
{
        _cleanup_(exposition_done) Exposition e = {.format = format};
        Histogram histogram = {};
        char *text = NULL;

        exposition_begin(&e, &plain);
        exposition_add(&e, UINT64_MAX, NULL, NULL);
        exposition_begin(&e, &odd);
        exposition_add(&e, 1, "a\"b\\c\nd", "é");
        exposition_add(&e, 2, "only a", NULL);
        exposition_begin(&e, &info);
        exposition_add(&e, 1, "1.0", NULL);
        exposition_begin(&e, &age);
        exposition_add_nsec(&e, 90 * SEC + 1, NULL, NULL);
        exposition_begin(&e, &times);
        histogram_add(&histogram, 0);
        histogram_add(&histogram, 1 * SEC); /* a bound is in its own bucket */
        histogram_add(&histogram, 1 * SEC + 1);
        histogram_add(&histogram, 121 * SEC);
        exposition_add_histogram(&e, &histogram, "x");
        assert_int_equal(exposition_end(&e, &text), 0);
        return text;
}

static void openmetrics_to_the_letter(void **state)
{
        _cleanup_free_ char *text = write_all(EXPOSITION_OPENMETRICS);

        assert_string_equal(text, "# TYPE m_plain gauge\n"
                                  "# HELP m_plain Plain.\n"
                                  "m_plain 18446744073709551615\n"
                                  "# TYPE m_odd counter\n"
                                  "# HELP m_odd Odd.\n"
                                  "m_odd_total{a=\"a\\\"b\\\\c\\nd\",b=\"é\"} 1\n"
                                  "m_odd_total{a=\"only a\"} 2\n"
                                  "# TYPE m_build info\n"
                                  "# HELP m_build Info.\n"
                                  "m_build_info{version=\"1.0\"} 1\n"
                                  "# TYPE m_age_seconds gauge\n"
                                  "# UNIT m_age_seconds seconds\n"
                                  "# HELP m_age_seconds Age.\n"
                                  "m_age_seconds 90.000000001\n"
                                  "# TYPE m_times_seconds histogram\n"
                                  "# UNIT m_times_seconds seconds\n"
                                  "# HELP m_times_seconds Times.\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.0001\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.00025\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.001\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.005\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.01\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.05\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.1\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.25\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"0.5\"} 1\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"1.0\"} 2\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"2.5\"} 3\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"10.0\"} 3\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"30.0\"} 3\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"120.0\"} 3\n"
                                  "m_times_seconds_bucket{what=\"x\",le=\"+Inf\"} 4\n"
                                  "m_times_seconds_sum{what=\"x\"} 123.000000001\n"
                                  "m_times_seconds_count{what=\"x\"} 4\n"
                                  "# EOF\n");
}

static void the_older_format_names_counters_and_infos_in_full(void **state)
{
        _cleanup_free_ char *text = write_all(EXPOSITION_PROMETHEUS);

        assert_non_null(strstr(text, "# TYPE m_odd_total counter\n# HELP m_odd_total Odd.\n"));
        assert_non_null(strstr(text, "# TYPE m_build_info gauge\n# HELP m_build_info Info.\n"));
        assert_non_null(strstr(text, "# TYPE m_times_seconds histogram\n# HELP"));
        assert_null(strstr(text, "# UNIT"));
        assert_null(strstr(text, "# EOF"));
}

static void formats_have_names(void **state)
{
        ExpositionFormat format;

        assert_int_equal(exposition_format_parse("openmetrics", &format), 0);
        assert_int_equal(format, EXPOSITION_OPENMETRICS);
        assert_int_equal(exposition_format_parse("prometheus", &format), 0);
        assert_int_equal(format, EXPOSITION_PROMETHEUS);
        assert_int_equal(exposition_format_parse("", &format), -EINVAL);
}

/* Of the refusals, the index of this one. */
static size_t find_refusal(const char *error, const char *resource)
{
        for (size_t i = 0; i < METRICS_RESOURCES_MAX; i++)
                if (strcmp(metrics_refusal(i)->error, error) == 0 &&
                    strcmp(metrics_refusal(i)->resource, resource) == 0)
                        return i;
        fail_msg("%s %s", error, resource);
        return 0;
}

static void count_no_resources(Metrics *metrics, const char *resource)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_no_resources(&error, resource, 1, 0, NULL);
        metrics_count_refusal(metrics, &error);
}

static void refusals_are_counted_by_resource(void **state)
{
        _cleanup_(cvm_error_done) CvmError quota = {}, other = {};
        Metrics metrics = {};
        uint64_t n = 0;

        count_no_resources(&metrics, "disk:secret-name");
        count_no_resources(&metrics, "gpu:0000:41:00.0");
        count_no_resources(&metrics, "port");
        count_no_resources(&metrics, "ports"); /* there is no such resource */
        count_no_resources(&metrics, "other");
        cvm_error_quota(&quota, "memory of one user", 1, 1, 1);
        metrics_count_refusal(&metrics, &quota);
        cvm_error_no_such_cvm(&other, "web", NULL);
        metrics_count_refusal(&metrics, &other);

        assert_int_equal(metrics.refusals[find_refusal("NoResources", "disk")], 1);
        assert_int_equal(metrics.refusals[find_refusal("NoResources", "gpu")], 1);
        assert_int_equal(metrics.refusals[find_refusal("NoResources", "port")], 1);
        assert_int_equal(metrics.refusals[find_refusal("NoResources", "other")], 2);
        assert_int_equal(metrics.refusals[find_refusal("NoResources", "memory")], 0);
        assert_int_equal(metrics.refusals[find_refusal("QuotaExceeded", "memory of one user")], 1);
        for (size_t i = 0; i < METRICS_RESOURCES_MAX; i++)
                n += metrics.refusals[i];
        assert_int_equal(n, 6);
}

static void results_are_named_as_errors_are(void **state)
{
        assert_string_equal(metrics_result(METRICS_REPLIED), "ok");
        assert_string_equal(metrics_result(METRICS_DISCONNECTED), "disconnected");
        assert_string_equal(metrics_result(CVM_ERROR_NO_SUCH_CVM), "NoSuchCvm");
        assert_string_equal(metrics_result(CVM_ERROR_EXPECTED_MORE), "ExpectedMore");
        assert_string_equal(metrics_result(CVM_ERROR_OTHER), "other");
        for (size_t i = 0; i < _METRICS_RESULT_MAX; i++)
                assert_true(*metrics_result(i));
}

static void an_unknown_event_is_another(void **state)
{
        Metrics metrics = {};

        metrics_count_event(&metrics, "state");
        metrics_count_event(&metrics, "new-in-later-versions");
        assert_string_equal(metrics_event(0), "state");
        assert_string_equal(metrics_event(METRICS_EVENTS_MAX - 1), "other");
        assert_int_equal(metrics.events[0], 1);
        assert_int_equal(metrics.events[METRICS_EVENTS_MAX - 1], 1);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(openmetrics_to_the_letter),
                cmocka_unit_test(the_older_format_names_counters_and_infos_in_full),
                cmocka_unit_test(formats_have_names),
                cmocka_unit_test(refusals_are_counted_by_resource),
                cmocka_unit_test(results_are_named_as_errors_are),
                cmocka_unit_test(an_unknown_event_is_another),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

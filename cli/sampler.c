/* SPDX-License-Identifier: Apache-2.0 */
#include "sampler.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "output.h"
#include "reply.h"
#include "screen.h"

void sampler_done(Sampler *sampler)
{
        json_object_put(TAKE_PTR(sampler->last));
}

/* Appends what the daemon says of one CVM, or of all. */
static ExitStatus sampler_ask(const Sampler *sampler, const SessionTarget *target,
                              json_object *array)
{
        json_object *parameters = json_object_new_object(), *stats;
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status;

        if (target)
                session_put_target(target, parameters);
        status = session_call_again(sampler->cli, sampler->client, MANAGER "Stats", parameters,
                                    &reply);
        if (status.code || !reply)
                return status;
        stats = reply_member(sampler->cli, reply, "stats", json_type_array);
        if (!stats)
                return exit_status(EXIT_FAILED);
        for (size_t i = 0; i < json_object_array_length(stats); i++)
                json_object_array_add(array, json_object_get(json_object_array_get_idx(stats, i)));
        return EXIT_OK;
}

/* The CVM of that id in the array, whose order is about that of the other one; *hint: where it is
 * looked for first. */
static json_object *sampler_find(json_object *array, const char *id, size_t *hint)
{
        size_t n = array ? json_object_array_length(array) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *one = json_object_array_get_idx(array, (*hint + i) % n);
                const char *found = json_member_string(one, "id");

                if (found && strcmp(found, id) == 0) {
                        *hint = (*hint + i + 1) % n;
                        return one;
                }
        }
        return NULL;
}

static void sampler_compare(json_object *now, json_object *before)
{
        int64_t cpu = json_member_int(now, "cpuUsec", -1);
        int64_t old = json_member_int(before, "cpuUsec", -1);
        int64_t usec = json_member_int(now, "at", 0) - json_member_int(before, "at", 0);
        bool same = json_member_int(now, "pid", 0) == json_member_int(before, "pid", -1);
        char text[32];

        /* the counts of a CVM that was restarted began at 0; the host's clock may be set */
        if (!same || old < 0 || cpu < old || usec <= 0)
                return;
        snprintf(text, sizeof(text), "%.1f", 100.0 * (double)(cpu - old) / (double)usec);
        json_object_object_add(now, "cpuPercent",
                               json_object_new_double_s(strtod(text, NULL), text));
}

/* Asks for the next sample; see sampler_once(). */
static ExitStatus sampler_next(Sampler *sampler, json_object **ret)
{
        _cleanup_json_ json_object *array = json_object_new_array();
        ExitStatus status = EXIT_OK;
        size_t hint = 0;

        *ret = NULL;
        for (size_t i = 0; !status.code && !session_interrupted() && i < sampler->n_targets; i++)
                status = sampler_ask(sampler, &sampler->targets[i], array);
        if (!sampler->targets)
                status = sampler_ask(sampler, NULL, array);
        if (status.code || session_interrupted())
                return status;
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *now = json_object_array_get_idx(array, i);

                sampler_compare(now, sampler_find(sampler->last,
                                                  json_member_string(now, "id") ?: "", &hint));
        }
        json_object_put(sampler->last);
        *ret = sampler->last = TAKE_PTR(array);
        return EXIT_OK;
}

ExitStatus sampler_watch(Sampler *sampler, int64_t interval, SamplerDraw draw, void *userdata)
{
        ExitStatus status;
        int64_t until;

        do {
                json_object *stats;

                until = clock_monotonic_usec() + interval;
                status = sampler_next(sampler, &stats);
                if (status.code || !stats)
                        return status;
                status = draw(sampler, stats, userdata);
        } while (!status.code && screen_wait(sampler->client, until) != SCREEN_LEFT);
        return session_interrupted() ? session_interrupted_exit() : status;
}

ExitStatus sampler_once(Sampler *sampler, json_object **ret)
{
        const struct timespec second = {.tv_sec = 1};
        ExitStatus status = sampler_next(sampler, ret);

        if (status.code)
                return status;
        nanosleep(&second, NULL);
        return sampler_next(sampler, ret);
}

char *sampler_show_cpu(json_object *stats)
{
        json_object *percent = json_member(stats, "cpuPercent");

        return percent ? text_format("%.1f%%", json_object_get_double(percent)) : strdup("-");
}

/* Three digits at least, by the largest unit: "640", "1.5K", "312M". */
static char *sampler_format_size(int64_t bytes)
{
        static const char units[] = "KMGTP";
        double size = (double)bytes;
        size_t unit = 0;

        if (bytes < 1024)
                return text_format("%" PRId64, bytes);
        for (size /= 1024; size >= 1023.5 && units[unit + 1]; unit++)
                size /= 1024;
        return text_format(size < 99.95 ? "%.1f%c" : "%.0f%c", size, units[unit]);
}

char *sampler_show_size(json_object *stats, const char *key)
{
        int64_t bytes = json_member_int(stats, key, -1);

        return bytes < 0 ? strdup("-") : sampler_format_size(bytes);
}

char *sampler_show_pair(json_object *stats, const char *one, const char *other)
{
        _cleanup_free_ char *first = sampler_show_size(stats, one);
        _cleanup_free_ char *second = sampler_show_size(stats, other);

        if (!first || !second)
                return NULL;
        if (strcmp(first, "-") == 0 && strcmp(second, "-") == 0)
                return strdup("-");
        return text_format("%s / %s", first, second);
}

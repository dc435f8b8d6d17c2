/* SPDX-License-Identifier: Apache-2.0 */
#include "since.h"

#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "fail.h"
#include "moment.h"

#define SINCE_SECONDS_MAX (UINT64_C(1) << 40) /* of a duration, and after the epoch */

/* Whether `text` is of this format to its end; *ret has what it says, and else what it had. */
static bool since_scan(const char *text, const char *format, struct tm *ret)
{
        struct tm tm = *ret;
        const char *end = strptime(text, format, &tm);

        if (!end || *end)
                return false;
        *ret = tm;
        return true;
}

/* A date, a time of the day or both. Returns 0 with the seconds since the epoch, or -EINVAL. */
static int since_parse_date(const char *text, int64_t now, int64_t *ret)
{
        static const char *const formats[] = {
                "%H:%M:%S",          "%H:%M",          "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M",
                "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d",
        };
        bool utc = text_has_suffix(text, "Z");
        _cleanup_free_ char *local = strndup(text, strlen(text) - utc);
        time_t seconds = now;
        struct tm tm;

        if (!local || !(utc ? gmtime_r(&seconds, &tm) : localtime_r(&seconds, &tm)))
                return -EINVAL;
        tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
        tm.tm_isdst = -1; /* of that day, whatever today has */
        for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
                if (since_scan(local, formats[i], &tm) && moment_is_day(&tm)) {
                        *ret = utc ? timegm(&tm) : mktime(&tm);
                        return 0;
                }
        return -EINVAL;
}

ExitStatus since_parse(const Cli *cli, const char *text, int64_t *ret)
{
        int64_t now = clock_now_usec() / 1000000, seconds;
        uint64_t number;

        if (text_parse_seconds(text, 0, SINCE_SECONDS_MAX, &number) == 0)
                seconds = now - (int64_t)number;
        else if (*text == '@' && text_parse_uint(text + 1, 0, SINCE_SECONDS_MAX, &number) == 0)
                seconds = (int64_t)number;
        else if (since_parse_date(text, now, &seconds) < 0)
                return fail_usage(cli,
                                  "invalid --since '%s': expected a duration such as 5m or 1h30m, "
                                  "or a time such as 14:03, '2026-11-30 14:03:07' or @1796047387",
                                  text);
        *ret = seconds > 0 ? seconds * 1000000 : 0;
        return EXIT_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "output.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

#define OUTPUT_WIDTH_MIN 20

bool output_is_terminal(FILE *stream)
{
        return isatty(fileno(stream));
}

bool output_redraws(FILE *stream)
{
        const char *term = getenv("TERM");

        return output_is_terminal(stream) && term && strcmp(term, "dumb") != 0;
}

size_t output_width(FILE *stream)
{
        struct winsize size;

        if (!output_is_terminal(stream) || ioctl(fileno(stream), TIOCGWINSZ, &size) < 0 ||
            size.ws_col < OUTPUT_WIDTH_MIN)
                return 0;
        return size.ws_col;
}

bool output_colour(FILE *stream)
{
        const char *no_color = getenv("NO_COLOR");

        return output_redraws(stream) && (!no_color || !*no_color);
}

void output_json_to(FILE *stream, json_object *object)
{
        _cleanup_free_ char *safe = text_escape_json(json_text(object));

        fprintf(stream, "%s\n", safe ?: "{}");
        if (stream == stdout)
                output_finish();
        else
                fflush(stream);
}

void output_json(json_object *object)
{
        output_json_to(stdout, object);
}

char *output_member(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        if (!value)
                return strdup("-");
        if (json_object_is_type(value, json_type_boolean))
                return strdup(json_object_get_boolean(value) ? "yes" : "no");
        if (json_object_is_type(value, json_type_string))
                return text_escape_control(
                        *json_object_get_string(value) ? json_object_get_string(value) : "-");
        return text_escape_control(json_text(value));
}

const char *output_time(int64_t usec, char buffer[static OUTPUT_TIME_MAX])
{
        time_t seconds = (time_t)(usec / 1000000);
        struct tm tm;

        if (usec <= 0 || !localtime_r(&seconds, &tm) ||
            strftime(buffer, OUTPUT_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
                snprintf(buffer, OUTPUT_TIME_MAX, "-");
        return buffer;
}

const char *output_clock(int64_t usec, char buffer[static OUTPUT_TIME_MAX])
{
        static const size_t date = sizeof("2026-11-21 ") - 1;
        char today[OUTPUT_TIME_MAX], full[OUTPUT_TIME_MAX];
        bool is_today;

        output_time(clock_now_usec(), today);
        output_time(usec, full);
        is_today = strncmp(today, full, date) == 0;
        snprintf(buffer, OUTPUT_TIME_MAX, "%s", is_today ? full + date : full);
        return buffer;
}

char *output_forwards(json_object *cvm)
{
        json_object *forwards = json_member(cvm, "forwards");
        _cleanup_(buffer_done) Buffer text = {};
        size_t n = json_object_is_type(forwards, json_type_array)
                           ? json_object_array_length(forwards)
                           : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *forward = json_object_array_get_idx(forwards, i);
                _cleanup_free_ char *address = output_member(forward, "address");
                _cleanup_free_ char *protocol = output_member(forward, "protocol");

                if (!address || !protocol ||
                    buffer_appendf(&text, "%s%s:%" PRId64 " -> %" PRId64 "/%s", i ? ", " : "",
                                   address, json_member_int(forward, "hostPort", 0),
                                   json_member_int(forward, "guestPort", 0), protocol) < 0)
                        return NULL;
        }
        return n ? buffer_take(&text) : strdup("-");
}

char *output_size(json_object *object, const char *key)
{
        static const char units[] = "KMGT";
        int64_t size = json_member_int(object, key, -1);
        uint64_t unit = 1024, tenths;
        size_t i = 0;

        if (size < 0)
                return strdup("-");
        if (size < 1024)
                return text_format("%" PRId64, size);
        while (i + 1 < sizeof(units) - 1 && (uint64_t)size / unit >= 1024) {
                unit *= 1024;
                i++;
        }
        tenths = (uint64_t)size % unit * 10 + unit / 2;
        tenths = (uint64_t)size / unit * 10 + tenths / unit;
        if (tenths % 10 == 0)
                return text_format("%" PRIu64 "%c", tenths / 10, units[i]);
        return text_format("%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[i]);
}

/* The reason why a write failed whose error number is lost: that of one more. */
static int output_retry(void)
{
        return write(STDOUT_FILENO, "\n", 1) < 0 ? -errno : -EIO;
}

int output_finish(void)
{
        static int failure; /* a stream only remembers that there was one */

        if (fflush(stdout) != 0 && !failure)
                failure = -errno;
        if (ferror(stdout) && !failure)
                failure = output_retry();
        return failure;
}

int output_check(void)
{
        int flags = fcntl(STDOUT_FILENO, F_GETFL);

        return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY ? 0 : -EBADF;
}

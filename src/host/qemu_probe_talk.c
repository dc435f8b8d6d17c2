/* SPDX-License-Identifier: Apache-2.0 */

/* The conversation of a probe: one question after the other over QMP. */

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "host/qemu_internal.h"
#include "qmp/message.h"

#define NAMES_MAX 20000u

typedef struct Talk {
        int fd;
        int64_t deadline; /* milliseconds of CLOCK_MONOTONIC */
        Buffer input;
        size_t received, names;
        int64_t id;
        const char *reason; /* of a failure; static */
} Talk;

static int qemu_talk_fail(Talk *talk, int r, const char *reason)
{
        talk->reason = reason;
        return r;
}

static int qemu_talk_wait_for(Talk *talk, short events)
{
        struct pollfd fd = {.fd = talk->fd, .events = events};

        for (;;) {
                int64_t now = clock_monotonic_msec();
                int n = now < talk->deadline ? poll(&fd, 1, (int)(talk->deadline - now)) : 0;

                if (n > 0)
                        return 0;
                if (n == 0)
                        return qemu_talk_fail(talk, -ETIMEDOUT, "it does not respond");
                if (errno != EINTR)
                        return qemu_talk_fail(talk, -errno, "its socket failed");
        }
}

static int qemu_talk_receive(Talk *talk)
{
        _uninitialized_ char bytes[16384];
        ssize_t n;
        int r = qemu_talk_wait_for(talk, POLLIN);

        if (r < 0)
                return r;
        n = recv(talk->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (n <= 0)
                return qemu_talk_fail(talk, -ECONNRESET, "it exited before it had replied");
        talk->received += (size_t)n;
        if (talk->received > QEMU_PROBE_BYTES_MAX)
                return qemu_talk_fail(talk, -EPROTO, "its reply is too long");
        return buffer_append(&talk->input, bytes, (size_t)n) < 0
                       ? qemu_talk_fail(talk, -ENOMEM, "out of memory")
                       : 0;
}

/* Reads the next message that is not an event; release it with qmp_message_done(). */
static int qemu_talk_next_message(Talk *talk, QmpMessage *ret)
{
        for (;;) {
                const char *end =
                        talk->input.size ? memchr(talk->input.data, '\n', talk->input.size) : NULL;
                size_t size = end ? (size_t)(end - talk->input.data) : 0;
                const char *reason;
                int r;

                if (!end) {
                        if (talk->input.size > QEMU_PROBE_LINE_MAX)
                                return qemu_talk_fail(talk, -EPROTO, "a reply is too long");
                        r = qemu_talk_receive(talk);
                        if (r < 0)
                                return r;
                        continue;
                }
                reason = qmp_message_parse(talk->input.data, size, ret);
                buffer_consume(&talk->input, size + 1);
                if (reason)
                        return qemu_talk_fail(talk, -EPROTO, reason);
                if (ret->kind != QMP_MESSAGE_EVENT)
                        return 0;
                qmp_message_done(ret);
        }
}

/* Asks; *ret is the answer, a reference of the caller's, NULL where QEMU refused the question.
 * Takes arguments (NULL: none). */
static int qemu_talk_ask(Talk *talk, const char *command, json_object *arguments, json_object **ret)
{
        _cleanup_json_ json_object *message =
                json_build("execute", json_object_new_string(command), "arguments", arguments, "id",
                           json_object_new_int64(++talk->id), NULL);
        _cleanup_(qmp_message_done) QmpMessage answer = {};
        _cleanup_free_ char *line = text_format("%s\r\n", json_text(message));
        ssize_t size;
        int r;

        if (!line)
                return qemu_talk_fail(talk, -ENOMEM, "out of memory");
        r = qemu_talk_wait_for(talk, POLLOUT);
        if (r < 0)
                return r;
        size = (ssize_t)strlen(line);
        if (send(talk->fd, line, (size_t)size, MSG_NOSIGNAL | MSG_DONTWAIT) != size)
                return qemu_talk_fail(talk, -ECONNRESET, "it exited before it had replied");
        r = qemu_talk_next_message(talk, &answer);
        if (r < 0)
                return r;
        if (answer.kind == QMP_MESSAGE_GREETING || answer.id != talk->id)
                return qemu_talk_fail(talk, -EPROTO, "a reply to another command");
        *ret = answer.kind == QMP_MESSAGE_RETURN ? json_object_get(answer.payload) : NULL;
        return 0;
}

/* Puts member `key` of each item of an array of objects into the set. */
static int add_names(Talk *talk, json_object *array, const char *key, json_object *set)
{
        if (!json_object_is_type(array, json_type_array))
                return qemu_talk_fail(talk, -EPROTO, "a member that should be a list is not one");
        for (size_t i = 0; i < json_object_array_length(array); i++) {
                json_object *item = json_object_array_get_idx(array, i);
                const char *name = json_object_is_type(item, json_type_object)
                                           ? json_member_string(item, key)
                                           : NULL;

                if (!name || !qemu_name_is_valid(name))
                        return qemu_talk_fail(talk, -EPROTO, "a list with an invalid name");
                if (++talk->names > NAMES_MAX)
                        return qemu_talk_fail(talk, -EPROTO, "its reply is too long");
                json_object_object_add(set, name, NULL);
        }
        return 0;
}

static int ask_types(Talk *talk, const char *implements, json_object *set)
{
        _cleanup_json_ json_object *answer = NULL;
        int r = qemu_talk_ask(talk, "qom-list-types",
                              json_build("implements", json_object_new_string(implements), NULL),
                              &answer);

        if (r < 0)
                return r;
        return answer ? add_names(talk, answer, "name", set)
                      : qemu_talk_fail(talk, -EPROTO,
                                       "it does not support qom-list-types: it is older than 1.2");
}

/* ret is NULL if the type reports none. */
static int ask_properties(Talk *talk, const char *type, json_object **ret)
{
        _cleanup_json_ json_object *answer = NULL, *set = json_object_new_object();
        int r = qemu_talk_ask(talk, "qom-list-properties",
                              json_build("typename", json_object_new_string(type), NULL), &answer);

        if (r == 0 && answer)
                r = add_names(talk, answer, "name", set);
        if (r == 0)
                *ret = answer ? TAKE_PTR(set) : NULL;
        return r;
}

/* Only of these: the answer takes an instance, and others fail or end QEMU (x-remote-object
 * in 7.2). */
static bool has_known_properties(const char *type)
{
        size_t length = strlen(type);

        return strncmp(type, "memory-backend-", 15) == 0 ||
               (length > 6 && strcmp(type + length - 6, "-guest") == 0) ||
               (length > 4 && strcmp(type + length - 4, "-cfg") == 0);
}

static int ask_objects(Talk *talk, QemuProbe *probe)
{
        _cleanup_json_ json_object *types = json_object_new_object();
        int r = ask_types(talk, "user-creatable", types);

        if (r < 0)
                return r;
        json_object_object_foreach (types, type, none) {
                json_object *properties = NULL;

                (void)none;
                if (has_known_properties(type)) {
                        r = ask_properties(talk, type, &properties);
                        if (r < 0)
                                return r;
                }
                json_object_object_add(probe->objects, type, properties);
        }
        return 0;
}

/* The machines that templates name by an alias. */
static int ask_machines(Talk *talk, QemuProbe *probe)
{
        static const char *const wanted[] = {"q35", "virt"};
        _cleanup_json_ json_object *machines = NULL;
        size_t n;
        int r = qemu_talk_ask(talk, "query-machines", NULL, &machines);

        if (r < 0)
                return r;
        n = json_object_is_type(machines, json_type_array) ? json_object_array_length(machines) : 0;
        for (size_t i = 0; i < n * ARRAY_SIZE(wanted); i++) {
                json_object *machine = json_object_array_get_idx(machines, i % n);
                const char *alias = wanted[i / n], *name, *found;
                json_object *properties = NULL;
                char type[QEMU_NAME_MAX + 16];

                if (!json_object_is_type(machine, json_type_object))
                        return qemu_talk_fail(talk, -EPROTO, "a list with an invalid machine");
                name = json_member_string(machine, "name");
                found = json_member_string(machine, "alias");
                if (!found || strcmp(found, alias) != 0)
                        continue;
                if (!name || !qemu_name_is_valid(name))
                        return qemu_talk_fail(talk, -EPROTO, "a list with an invalid name");
                snprintf(type, sizeof(type), "%s-machine", name);
                r = ask_properties(talk, type, &properties);
                if (r < 0)
                        return r;
                if (properties)
                        json_object_object_add(probe->machines, alias, properties);
                json_object_object_add(
                        probe->cpus_max, alias,
                        json_object_new_int64(json_member_int(machine, "cpu-max", 0)));
        }
        return 0;
}

static int ask_cpus(Talk *talk, QemuProbe *probe)
{
        _cleanup_json_ json_object *answer = NULL;
        int r = qemu_talk_ask(talk, "query-cpu-definitions", NULL, &answer);

        return r < 0 || !answer ? r : add_names(talk, answer, "name", probe->cpus);
}

static int greet(Talk *talk, QemuProbe *probe)
{
        _cleanup_(qmp_message_done) QmpMessage greeting = {};
        _cleanup_json_ json_object *answer = NULL;
        const char *package;
        int r = qemu_talk_next_message(talk, &greeting);

        if (r < 0)
                return r;
        if (greeting.kind != QMP_MESSAGE_GREETING)
                return qemu_talk_fail(talk, -EPROTO, "a reply before the greeting");
        package = json_member_string(json_member(json_member(greeting.root, "QMP"), "version"),
                                     "package");
        probe->version = text_format("%u.%u.%u", greeting.version[0], greeting.version[1],
                                     greeting.version[2]);
        if (!probe->version) {
                return qemu_talk_fail(talk, -ENOMEM, "out of memory");
        }
        probe->package =
                strdup(package && (!*package || qemu_name_is_valid(package)) ? package : "");
        if (!probe->package)
                return qemu_talk_fail(talk, -ENOMEM, "out of memory");
        r = qemu_talk_ask(talk, "qmp_capabilities", NULL, &answer);
        return r < 0 || answer ? r : qemu_talk_fail(talk, -EPROTO, "it refused qmp_capabilities");
}

static int converse(Talk *talk, QemuProbe *probe)
{
        _cleanup_json_ json_object *answer = NULL;
        int r = greet(talk, probe);

        if (r == 0)
                r = ask_objects(talk, probe);
        if (r == 0)
                r = ask_types(talk, "device", probe->devices);
        if (r == 0)
                r = ask_cpus(talk, probe);
        if (r == 0)
                r = ask_machines(talk, probe);
        if (r == 0 && qemu_talk_ask(talk, "quit", NULL, &answer) == -ENOMEM)
                r = -ENOMEM; /* else its end may come before its answer */
        return r;
}

int qemu_probe_talk(int fd, unsigned timeout_msec, QemuProbe **ret, const char **ret_reason)
{
        _cleanup_(qemu_probe_unrefp) QemuProbe *probe = qemu_probe_new();
        Talk talk = {.fd = fd,
                     .deadline = clock_monotonic_msec() + timeout_msec,
                     .reason = "out of memory"};
        int r = probe ? converse(&talk, probe) : -ENOMEM;

        buffer_done(&talk.input);
        if (r < 0) {
                *ret_reason = talk.reason;
                return r;
        }
        *ret = TAKE_PTR(probe);
        return 0;
}

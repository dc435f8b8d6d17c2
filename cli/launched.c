/* SPDX-License-Identifier: Apache-2.0 */
#include "launched.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "output_raw.h"
#include "session.h"

#define UUID_SIZE 36
#define LINES_SHOWN 10
#define MEMORY_LITTLE (INT64_C(256) << 20) /* for a kernel and an initramfs as they are today */
#define REPLY_MSEC 2000
#define UNDO_MSEC 5000 /* how long to wait for the daemon to undo a launch */
#define UNDO_POLL_MSEC 50

ExitStatus launched_choose_id(const Cli *cli, const char *given, char **ret)
{
        size_t size;
        char *id;
        int r;

        if (given) {
                *ret = strdup(given);
                return *ret ? EXIT_OK : fail_memory(cli);
        }
        r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/uuid", UUID_SIZE + 1, &id, &size);
        if (r == 0 && size < UUID_SIZE) {
                free(id);
                r = -EIO;
        }
        if (r < 0)
                return fail_local(cli, "cannot create an id: %s", strerror(-r));
        id[UUID_SIZE] = 0;
        *ret = id;
        return EXIT_OK;
}

/* A call about the CVM; its failure is not printed. Takes parameters, adds the id. NULL: it
 * failed. */
static json_object *launched_ask(const char *socket, const char *method, const char *id,
                                 json_object *parameters)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *owned = parameters;
        json_object *reply = NULL;

        if (wire_client_connect(socket, &client, &error) < 0)
                return NULL;
        wire_client_set_timeout(client, REPLY_MSEC);
        json_object_object_add(parameters, "id", json_new_text(id));
        if (wire_client_call(client, method, TAKE_PTR(owned), NULL, 0, &reply, &error) < 0)
                return NULL;
        return reply;
}

/* The CVM's last lines as they are printed, without carriage returns; owned. NULL: there are none,
 * or the daemon has no such CVM. */
static char *launched_last_lines(const char *socket, const char *id)
{
        _cleanup_json_ json_object *reply =
                launched_ask(socket, MANAGER "Logs", id,
                             json_build("lines", json_object_new_int64(LINES_SHOWN), NULL));
        _cleanup_free_ uint8_t *data = NULL;
        const char *encoded;
        size_t size, used = 0;
        char *text;

        encoded = json_member_string(reply, "data");
        if (!encoded || text_unbase64(encoded, &data, &size) < 0 || !(text = malloc(size + 1)))
                return NULL;
        for (size_t i = 0; i < size; i++)
                if (data[i] && data[i] != '\r')
                        text[used++] = (char)data[i];
        text[used] = 0;
        return text;
}

static void launched_print_lines(char *text)
{
        char *save = NULL;

        for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
                OutputRaw raw = {.stream = stderr, .escape = true, .within_line = true};

                fputs("  ", stderr);
                output_raw(&raw, line, strlen(line));
                output_raw_end(&raw);
        }
}

/* Whether it has ended and is there: neither removed by `remove`, nor restarted or running on. */
static bool launched_is_kept(json_object *cvm)
{
        const char *state = json_member_string(cvm, "state") ?: "";

        return strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0;
}

/* A kernel without room for its initramfs resets or panics, and says nothing. */
static void launched_doubt_memory(const Cli *cli, json_object *cvm)
{
        int64_t memory = json_member_int(cvm, "memory", INT64_MAX);
        const char *reason = json_member_string(json_member(cvm, "ending"), "reason") ?: "";
        _cleanup_free_ char *size = output_size(cvm, "memory");

        if (memory < MEMORY_LITTLE && size &&
            (strcmp(reason, "guest-reset") == 0 || strcmp(reason, "guest-panic") == 0))
                fail_note(cli, "the guest had only %s of memory; try --memory 512M", size);
}

/* What the daemon has of the CVM now: 1 and its state, newly allocated; 0: nothing; negative: it
 * does not answer. */
static int launched_get_state(const char *socket, const char *id, char **ret)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        int r = wire_client_connect(socket, &client, &error);

        if (r < 0)
                return r;
        wire_client_set_timeout(client, REPLY_MSEC);
        r = wire_client_call(client, MANAGER "Status", json_build("id", json_new_text(id), NULL),
                             NULL, 0, &reply, &error);
        if (r < 0)
                return error.id == CVM_ERROR_NO_SUCH_CVM ? 0 : r;
        *ret = strdup(json_member_string(json_member(reply, "cvm"), "state") ?: "");
        return *ret ? 1 : -ENOMEM;
}

/* Prints what is left of a launch that was interrupted, once that is known. */
static void launched_print_rest(const Cli *cli, const char *name, const char *id)
{
        int64_t end = clock_monotonic_msec() + UNDO_MSEC;
        _cleanup_free_ char *socket = session_socket(cli), *state = NULL;
        int r = -ENOMEM;

        while (socket) {
                free(TAKE_PTR(state));
                r = launched_get_state(socket, id, &state);
                if (r <= 0 || strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0 ||
                    clock_monotonic_msec() > end)
                        break;
                poll(NULL, 0, UNDO_POLL_MSEC);
        }
        if (r < 0)
                fprintf(stderr, "cvmctl: %s: launch interrupted; the daemon does not answer\n",
                        name);
        else if (r == 0)
                fprintf(stderr, "cvmctl: %s: launch undone\n", name);
        else if (strcmp(state, "failed") == 0 || strcmp(state, "stopped") == 0)
                fprintf(stderr,
                        "cvmctl: %s: launch undone; the CVM is kept as %s: `cvmctl logs %s` prints "
                        "its console, `cvmctl remove %s` deletes it\n",
                        name, state, name, name);
        else
                fprintf(stderr,
                        "cvmctl: %s: launch not undone: the CVM is %s; `cvmctl stop %s` stops it\n",
                        name, state, name);
}

ExitStatus launched_interrupted(const Cli *cli, const char *name, const char *id)
{
        int signal_number = session_interrupted();
        _cleanup_free_ char *safe = text_escape_control(name);

        /* another one ends this wait */
        signal(SIGINT, SIG_DFL);
        signal(SIGTERM, SIG_DFL);
        if (!cli->json && safe)
                launched_print_rest(cli, safe, id);
        if (signal_number != SIGINT)
                raise(signal_number);
        return exit_status(EXIT_INTERRUPTED);
}

void launched_explain(const Cli *cli, const CvmError *error, const char *name, const char *id)
{
        _cleanup_free_ char *socket = NULL, *lines = NULL;
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvm;

        if (cli->json || (error->id != CVM_ERROR_LAUNCH_FAILED && error->id != CVM_ERROR_TIMEOUT))
                return;
        socket = session_socket(cli);
        lines = socket ? launched_last_lines(socket, id) : NULL;
        if (!lines)
                return;
        if (*lines) {
                fprintf(stderr, "Last lines of its console:\n");
                launched_print_lines(lines);
        } else {
                fprintf(stderr, "Its console is empty.\n");
        }
        reply = launched_ask(socket, MANAGER "Status", id, json_object_new_object());
        cvm = json_member(reply, "cvm");
        launched_doubt_memory(cli, cvm);
        if (!launched_is_kept(cvm))
                return;
        fprintf(stderr,
                "'%s' is kept: `cvmctl logs %s` prints its console, `cvmctl status %s` "
                "the reason; `cvmctl remove %s` deletes it.\n",
                name, name, name, name);
}

void launched_note_plain(json_object *cvm)
{
        _cleanup_free_ char *name = output_member(cvm, "name");
        _cleanup_free_ char *platform = output_member(cvm, "platform");

        if (json_member_bool(cvm, "confidential", true))
                return;
        fprintf(stderr,
                "cvmctl: note: %s is NOT confidential (platform %s%s): this host can read and "
                "change "
                "its memory; see `cvmctl doctor`\n",
                name ?: "the CVM", platform ?: "?",
                json_member_bool(cvm, "emulated", false) ? ", emulated" : "");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "check_block.h"
#include "fail.h"
#include "launch_spec.h"
#include "reply.h"
#include "session.h"

typedef struct RenderOptions {
        LaunchSpecOptions spec;
        bool shell;
} RenderOptions;

static RenderOptions render_options(const Arguments *arguments)
{
        RenderOptions options = {
                .spec = launch_spec_options(arguments),
                .shell = arguments_has(arguments, "shell"),
        };

        options.spec.render = true;
        return options;
}

/* A word as a POSIX shell reads it back. Control characters need $'...' (bash, POSIX.1-2024), which
 * also keeps them off the terminal. */
static int quote(Buffer *buffer, const char *word)
{
        static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                    "@%+=:,./_-";
        _cleanup_free_ char *escaped = text_escape_control(word);
        bool control = escaped && strcmp(escaped, word) != 0;
        int r;

        if (!escaped)
                return -ENOMEM;
        if (*word && word[strspn(word, plain)] == 0)
                return buffer_append_text(buffer, word);
        r = buffer_append_text(buffer, control ? "$'" : "'");
        for (; r == 0 && *word; word++) {
                char one[2] = {*word, 0};
                unsigned char c = (unsigned char)*word;

                if (control && (c < 0x20 || c == 0x7f || c >= 0x80))
                        r = buffer_appendf(buffer, "\\%03o", c);
                else if (control && (c == '\'' || c == '\\'))
                        r = buffer_appendf(buffer, "\\%c", c);
                else
                        r = buffer_append_text(buffer, c == '\'' ? "'\\''" : one);
        }
        return r ?: buffer_append_text(buffer, "'");
}

/* "# 5 is console" for the descriptors that no path stands for. */
static int print_unnamed(json_object *descriptors)
{
        for (size_t i = 0; i < json_object_array_length(descriptors); i++) {
                json_object *descriptor = json_object_array_get_idx(descriptors, i);
                _cleanup_free_ char *what = output_member(descriptor, "what");
                _cleanup_free_ char *digest = output_member(descriptor, "sha256");

                if (!what || !digest)
                        return -ENOMEM;
                if (json_member_string(descriptor, "path"))
                        continue;
                printf("# descriptor %" PRId64 ": %s%s%s\n",
                       json_member_int(descriptor, "number", -1), what,
                       json_member(descriptor, "sha256") ? ", SHA-256 " : "",
                       json_member(descriptor, "sha256") ? digest : "");
        }
        return 0;
}

/* "# hostData binds …" and the document. */
static int render_print_binding(json_object *binding)
{
        _cleanup_free_ char *field = output_member(binding, "field");
        _cleanup_free_ char *value = output_member(binding, "value");
        _cleanup_free_ char *document = output_member(binding, "document");

        if (!field || !value || !document)
                return -ENOMEM;
        printf("# %s %s is the digest of %s\n", field, value, document);
        return 0;
}

/* An option and its value on a line of their own. */
static int print_command(json_object *argv, json_object *descriptors)
{
        _cleanup_(buffer_done) Buffer text = {};
        int r = 0;

        for (size_t i = 0; r == 0 && i < json_object_array_length(argv); i++) {
                const char *word = json_object_get_string(json_object_array_get_idx(argv, i));

                if (i > 0)
                        r = buffer_append_text(&text, word && *word == '-' ? " \\\n  " : " ");
                r = r ?: quote(&text, word ?: "");
        }
        for (size_t i = 0; r == 0 && i < json_object_array_length(descriptors); i++) {
                json_object *descriptor = json_object_array_get_idx(descriptors, i);
                const char *path = json_member_string(descriptor, "path");

                if (!path)
                        continue;
                r = buffer_appendf(&text, " \\\n  %" PRId64 "<",
                                   json_member_int(descriptor, "number", -1));
                r = r ?: quote(&text, path);
        }
        if (r == 0)
                printf("%s\n", text.data ?: "");
        return r;
}

/* What must run before the command, as comments: one cannot start it from a shell, since the
 * channels between the two are made by the daemon. */
static int print_companions(json_object *companions)
{
        for (size_t i = 0; companions && i < json_object_array_length(companions); i++) {
                json_object *companion = json_object_array_get_idx(companions, i);
                json_object *argv = json_member(companion, "argv");
                _cleanup_free_ char *name = output_member(companion, "name");
                _cleanup_(buffer_done) Buffer text = {};
                int r = name ? 0 : -ENOMEM;

                for (size_t j = 0; r == 0 && json_object_is_type(argv, json_type_array) &&
                                   j < json_object_array_length(argv);
                     j++) {
                        const char *word =
                                json_object_get_string(json_object_array_get_idx(argv, j));

                        r = buffer_append_text(&text, " ") ?: quote(&text, word ?: "");
                }
                if (r < 0)
                        return r;
                printf("# start first, in addition to QEMU: %s\n#%s\n", name, text.data ?: "");
        }
        return 0;
}

/* The daemon was given descriptors; the paths behind them are known here. */
static void add_paths(const LaunchSpec *spec, json_object *descriptors)
{
        for (size_t i = 0; i < json_object_array_length(descriptors); i++) {
                json_object *descriptor = json_object_array_get_idx(descriptors, i);
                const char *what = json_member_string(descriptor, "what");
                json_object *path = what ? json_member(spec->paths, what) : NULL;

                if (path)
                        json_object_object_add(descriptor, "path", json_object_get(path));
        }
}

static ExitStatus print_plan(const Cli *cli, json_object *reply, const LaunchSpec *spec)
{
        json_object *argv, *descriptors, *missing, *binding, *companions;
        const char *domain;

        argv = reply_member(cli, reply, "argv", json_type_array);
        descriptors = argv ? reply_member(cli, reply, "descriptors", json_type_array) : NULL;
        missing = descriptors ? reply_member(cli, reply, "missing", json_type_array) : NULL;
        if (!missing)
                return exit_status(EXIT_FAILED);
        domain = json_member_string(reply, "domain");
        add_paths(spec, descriptors);
        if (cli->json) {
                output_json(reply);
                return EXIT_OK;
        }
        binding = json_member(reply, "binding");
        if (binding && render_print_binding(binding) < 0)
                return fail_memory(cli);
        companions = json_member(reply, "companions");
        if (!json_object_is_type(companions, json_type_array))
                companions = NULL;
        if (domain)
                printf("%s", domain);
        else if (print_companions(companions) < 0 || print_unnamed(descriptors) < 0 ||
                 print_command(argv, descriptors) < 0)
                return fail_memory(cli);
        if (json_object_array_length(missing) == 0)
                return EXIT_OK;
        output_finish();
        fputs("cvmctl: a launch would be refused here:\n", stderr);
        check_block_list(stderr, missing);
        return EXIT_OK;
}

ExitStatus verb_render(const Arguments *arguments)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {};
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        const RenderOptions options = render_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status;
        int r;

        if (cli->json && options.shell)
                return fail_usage(cli, "--shell and --json exclude each other");
        status = launch_spec_build(cli, &options.spec, &spec);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        r = wire_client_call(client, MANAGER "Render",
                             json_build("spec", json_object_get(spec.object), NULL), spec.fds,
                             spec.n_fds, &reply, &error);
        if (r < 0)
                return launch_spec_fail(cli, &spec, &error);
        return print_plan(cli, reply, &spec);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "launch_flags.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "env_file.h"
#include "fail.h"
#include "labels.h"
#include "launch_files.h"
#include "memory_flag.h"
#include "spec/spec.h"

#define EMBEDDED "embedded:"
#define ENV_FILE_MAX (2 * SPEC_ENV_BYTES_MAX) /* comments and quotes need room too */

/* The member of that type, made if it is absent. NULL if it has another type: then nothing is added
 * to it, and spec_parse() will refuse it. */
static json_object *member_of(json_object *object, const char *key, json_type type)
{
        json_object *member = json_member(object, key);

        if (member)
                return json_object_is_type(member, type) ? member : NULL;
        member = type == json_type_array ? json_object_new_array() : json_object_new_object();
        json_object_object_add(object, key, member);
        return member;
}

LaunchFlags launch_flags_options(const Arguments *arguments)
{
        LaunchFlags flags = {
                .platform = arguments_value(arguments, "platform"),
                .image = arguments_value(arguments, "image"),
                .cmdline = arguments_value(arguments, "cmdline"),
                .network = arguments_value(arguments, "network"),
                .driver = arguments_value(arguments, "driver"),
                .memory = arguments_value(arguments, "memory"),
                .restart = arguments_value(arguments, "restart"),
                .env_file = arguments_value(arguments, "env-file"),
                .certs = arguments_value(arguments, "certs"),
                .svsm_attestation = arguments_value(arguments, "svsm-attestation"),
                .env = arguments_values(arguments, "env"),
                .shares = arguments_values(arguments, "share"),
                .disks = arguments_values(arguments, "disk"),
                .gpus = arguments_values(arguments, "gpu"),
                .publish = arguments_values(arguments, "publish"),
                .security = arguments_values(arguments, "launch-security"),
                .labels = arguments_values(arguments, "label"),
                .remove = arguments_has(arguments, "rm")
                                  ? arguments_value(arguments, "rm")
                                            ?: spec_remove_name(SPEC_REMOVE_ENDED)
                                  : NULL,
                .cpus = -1,
                .ttl_sec = arguments_number(arguments, "ttl", 0),
                .vsock_cid = arguments_number(arguments, "vsock", 0),
                .vsock = arguments_has(arguments, "vsock"),
                .bind_workload = arguments_has(arguments, "bind-workload"),
                .confidential = arguments_has(arguments, "require-confidential"),
                .debug = arguments_has(arguments, "debug"),
                .svsm_log = arguments_has(arguments, "svsm-log"),
        };

        if (arguments_has(arguments, "cpus"))
                flags.cpus = (int64_t)arguments_number(arguments, "cpus", 0);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                flags.artifacts[kind] = arguments_value(arguments, spec_artifact_kind_name(kind));
        return flags;
}

static void put_text(json_object *object, const char *key, const char *value)
{
        if (value)
                json_object_object_add(object, key, json_new_text(value));
}

static void put_true(json_object *object, const char *key, bool value)
{
        if (value)
                json_object_object_add(object, key, json_object_new_boolean(true));
}

static ExitStatus apply_scalars(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        char memory[24];
        uint64_t size;
        ExitStatus status = flags->memory ? memory_flag_parse(cli, flags->memory, &size) : EXIT_OK;

        if (status.code)
                return status;
        put_text(object, "platform", flags->platform);
        put_text(object, "image", flags->image);
        put_text(object, "cmdline", flags->cmdline);
        put_text(object, "network", flags->network);
        put_text(object, "driver", flags->driver);
        put_text(object, "remove", flags->remove);
        /* as a daemon of any version reads it */
        put_text(object, "memory", flags->memory ? text_format_size(size, memory) : NULL);
        put_true(object, "bindWorkload", flags->bind_workload);
        put_true(object, "confidential", flags->confidential);
        put_true(object, "debug", flags->debug);
        if (flags->cpus >= 0)
                json_object_object_add(object, "cpus", json_object_new_int64(flags->cpus));
        if (flags->ttl_sec)
                json_object_object_add(object, "ttlSec",
                                       json_object_new_int64((int64_t)flags->ttl_sec));
        if (flags->restart) {
                json_object *restart = member_of(object, "restart", json_type_object);

                if (restart)
                        put_text(restart, "policy", flags->restart);
        }
        if (flags->vsock) {
                json_object *vsock = json_object_new_object();

                if (flags->vsock_cid)
                        json_object_object_add(vsock, "cid",
                                               json_object_new_int64((int64_t)flags->vsock_cid));
                json_object_object_add(object, "vsock", vsock);
        }
        return EXIT_OK;
}

static ExitStatus apply_security(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        json_object *security;

        if (!flags->security.n)
                return EXIT_OK;
        security = member_of(object, "launchSecurity", json_type_object);
        for (size_t i = 0; security && i < flags->security.n; i++) {
                const char *value = flags->security.at[i];
                const char *equals = strchr(value, '=');
                _cleanup_free_ char *name = NULL;

                if (!equals || equals == value)
                        return fail_usage(
                                cli, "invalid --launch-security '%s': expected FIELD=VALUE", value);
                name = strndup(value, (size_t)(equals - value));
                if (!name)
                        return fail_memory(cli);
                json_object_object_add(security, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}

static ExitStatus apply_artifacts(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *option = spec_artifact_kind_name(kind);
                const char *value = flags->artifacts[kind];
                json_object *reference;

                if (!value)
                        continue;
                if (!*value)
                        return fail_usage(cli, "--%s requires a file, or " EMBEDDED "NAME", option);
                if (strncmp(value, EMBEDDED, strlen(EMBEDDED)) == 0)
                        reference =
                                json_build("name", json_new_text(value + strlen(EMBEDDED)), NULL);
                else
                        reference = json_build("path", launch_files_path(".", value), NULL);
                json_object_object_add(object, option, reference);
        }
        return EXIT_OK;
}

static ExitStatus read_env_file(const Cli *cli, const char *path, json_object *env)
{
        _cleanup_json_ json_object *variables = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        EnvFileError where;
        size_t size;
        int r;

        r = file_read_at(AT_FDCWD, path, ENV_FILE_MAX, &text, &size);
        if (r < 0)
                return fail_file_error(cli, path, r, "cannot read the environment");
        r = env_file_parse(text, size, variables, &where);
        explicit_bzero(text, size);
        if (r == -EBADMSG)
                return fail_file(cli, path, where.line, "%s", where.reason);
        if (r < 0)
                return fail_memory(cli);
        json_object_object_foreach (variables, name, value) {
                json_object_object_add(env, name, json_object_get(value));
        }
        return EXIT_OK;
}

static ExitStatus apply_env(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        _cleanup_json_ json_object *seen = json_object_new_object();
        json_object *env;

        if (!flags->env_file && !flags->env.n)
                return EXIT_OK;
        env = member_of(object, "env", json_type_object);
        if (!env)
                return EXIT_OK;
        if (flags->env_file) {
                ExitStatus status = read_env_file(cli, flags->env_file, env);

                if (status.code)
                        return status;
        }
        for (size_t i = 0; i < flags->env.n; i++) {
                const char *assignment = flags->env.at[i];
                const char *equals = strchr(assignment, '=');
                _cleanup_free_ char *name = NULL;

                /* what was meant as a value is not repeated: it may be a secret */
                if (!equals || equals == assignment)
                        return fail_usage(cli, "--env must be KEY=VALUE");
                name = strndup(assignment, (size_t)(equals - assignment));
                if (!name)
                        return fail_memory(cli);
                if (json_object_object_get_ex(seen, name, NULL))
                        return fail_usage(cli, "--env gives %s twice", name);
                json_object_object_add(seen, name, NULL);
                json_object_object_add(env, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}

static ExitStatus apply_certs(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        json_object *certs;

        if (!flags->certs)
                return EXIT_OK;
        certs = member_of(object, "certs", json_type_object);
        return certs ? launch_files_read_certs(cli, flags->certs, certs) : EXIT_OK;
}

/* Puts a share in the place of the one of the same tag, or at the end. */
static void put_share(json_object *shares, const char *tag, json_object *share)
{
        size_t n = json_object_array_length(shares);

        for (size_t i = 0; i < n; i++) {
                const char *other = json_member_string(json_object_array_get_idx(shares, i), "tag");

                if (other && strcmp(other, tag) == 0) {
                        json_object_array_put_idx(shares, i, share);
                        return;
                }
        }
        json_object_array_add(shares, share);
}

static ExitStatus apply_shares(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        _cleanup_json_ json_object *seen = json_object_new_object();
        json_object *shares;

        if (!flags->shares.n)
                return EXIT_OK;
        shares = member_of(object, "shares", json_type_array);
        for (size_t i = 0; shares && i < flags->shares.n; i++) {
                const char *value = flags->shares.at[i];
                const char *equals = strchr(value, '='), *suffix;
                _cleanup_free_ char *tag = NULL, *path = NULL;
                bool writable;
                size_t length;

                if (!equals || equals == value || !equals[1])
                        return fail_usage(cli, "invalid --share '%s': expected TAG=PATH[:rw]",
                                          value);
                length = strlen(equals + 1);
                suffix = length > 3 ? equals + 1 + length - 3 : "";
                writable = strcmp(suffix, ":rw") == 0;
                tag = strndup(value, (size_t)(equals - value));
                path = strndup(equals + 1, length - (writable ? 3 : 0));
                if (!tag || !path)
                        return fail_memory(cli);
                if (json_object_object_get_ex(seen, tag, NULL))
                        return fail_usage(cli, "--share gives the tag %s twice", tag);
                json_object_object_add(seen, tag, NULL);
                put_share(shares, tag,
                          json_build("tag", json_new_text(tag), "path",
                                     launch_files_path(".", path), "readOnly",
                                     json_object_new_boolean(!writable), NULL));
        }
        return EXIT_OK;
}

/* One ",OPTION" of a --disk into its object. */
static bool put_disk_option(json_object *disk, const char *option)
{
        static const char *const keys[] = {"format", "bus", "id"};

        if (strcmp(option, "rw") == 0) {
                json_object_object_add(disk, "readOnly", json_object_new_boolean(false));
                return true;
        }
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                size_t length = strlen(keys[i]);

                if (strncmp(option, keys[i], length) == 0 && option[length] == '=') {
                        json_object_object_add(disk, keys[i], json_new_text(option + length + 1));
                        return true;
                }
        }
        return false;
}

/* PATH[,rw][,format=FORMAT][,bus=BUS][,id=ID]. NULL: it is not that. */
static json_object *parse_disk(const char *value)
{
        _cleanup_free_ char *copy = strdup(value);
        _cleanup_json_ json_object *disk = NULL;
        char *save = NULL, *option;

        if (!copy || !*copy || *copy == ',')
                return NULL;
        disk = json_build("path", launch_files_path(".", strtok_r(copy, ",", &save)), NULL);
        while ((option = strtok_r(NULL, ",", &save)))
                if (!put_disk_option(disk, option))
                        return NULL;
        return TAKE_PTR(disk);
}

static ExitStatus apply_disks(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        json_object *disks;

        if (!flags->disks.n)
                return EXIT_OK;
        disks = member_of(object, "disks", json_type_array);
        for (size_t i = 0; disks && i < flags->disks.n; i++) {
                const char *value = flags->disks.at[i];
                json_object *disk = parse_disk(value);

                if (!disk)
                        return fail_usage(cli,
                                          "invalid --disk '%s': expected "
                                          "PATH[,rw][,format=raw|qcow2][,bus=scsi|virtio|svsm][,id="
                                          "ID]; use a spec file for a path with a comma",
                                          value);
                json_object_array_add(disks, disk);
        }
        return EXIT_OK;
}

static ExitStatus apply_gpus(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        json_object *gpus;

        if (!flags->gpus.n)
                return EXIT_OK;
        gpus = member_of(object, "gpus", json_type_array);
        for (size_t i = 0; gpus && i < flags->gpus.n; i++)
                json_object_array_add(gpus, json_new_text(flags->gpus.at[i]));
        return EXIT_OK;
}

/* [ADDR:]HOST:GUEST[/udp]; an empty HOST is any free port. NULL: it is not that. */
static json_object *parse_publish(const char *value)
{
        _cleanup_free_ char *copy = strdup(value);
        char *slash = copy ? strchr(copy, '/') : NULL, *guest, *host;
        const char *protocol = "tcp", *address = NULL;
        uint64_t host_port = 0, guest_port;

        if (slash) {
                *slash = 0;
                protocol = slash + 1;
                if (strcmp(protocol, "tcp") != 0 && strcmp(protocol, "udp") != 0)
                        return NULL;
        }
        guest = copy ? strrchr(copy, ':') : NULL;
        if (!guest)
                return NULL;
        *guest++ = 0;
        host = strrchr(copy, ':');
        if (host) {
                *host++ = 0;
                address = copy;
        } else {
                host = copy;
        }
        if (text_parse_uint(guest, 1, UINT16_MAX, &guest_port) < 0 ||
            (*host && text_parse_uint(host, 0, UINT16_MAX, &host_port) < 0) ||
            (address && !*address))
                return NULL;
        return json_build("address", address ? json_new_text(address) : NULL, "hostPort",
                          json_object_new_int64((int64_t)host_port), "guestPort",
                          json_object_new_int64((int64_t)guest_port), "protocol",
                          json_new_text(protocol), NULL);
}

static ExitStatus apply_publish(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        const OptionValues *values = &flags->publish;
        json_object *forwards;

        if (!values->n)
                return EXIT_OK;
        forwards = json_object_new_array();
        json_object_object_add(object, "forwards", forwards);
        if (values->n == 1 && strcmp(values->at[0], "none") == 0)
                return EXIT_OK;
        for (size_t i = 0; i < values->n; i++) {
                json_object *forward = parse_publish(values->at[i]);

                if (!forward)
                        return fail_usage(
                                cli,
                                "invalid --publish '%s': expected [ADDR:]HOST:GUEST[/udp], with "
                                "ports up to 65535, or 'none' on its own",
                                values->at[i]);
                json_object_array_add(forwards, forward);
        }
        return EXIT_OK;
}

/* URL[,vsock][,protocol=PROTOCOL]. NULL: it is not that. */
static json_object *parse_attestation(const char *value)
{
        _cleanup_free_ char *copy = strdup(value);
        _cleanup_json_ json_object *attestation = NULL;
        char *save = NULL, *option;

        if (!copy || !*copy || *copy == ',')
                return NULL;
        attestation = json_build("url", json_new_text(strtok_r(copy, ",", &save)), NULL);
        while ((option = strtok_r(NULL, ",", &save)))
                if (strcmp(option, "vsock") == 0)
                        json_object_object_add(attestation, "transport", json_new_text(option));
                else if (strncmp(option, "protocol=", 9) == 0)
                        json_object_object_add(attestation, "protocol", json_new_text(option + 9));
                else
                        return NULL;
        return TAKE_PTR(attestation);
}

static ExitStatus apply_svsm(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        const char *value = flags->svsm_attestation;
        _cleanup_json_ json_object *attestation = value ? parse_attestation(value) : NULL;
        json_object *svsm = NULL;

        if (value || flags->svsm_log)
                svsm = member_of(object, "svsm", json_type_object);
        if (!svsm) /* neither is given, or the daemon refuses what the file has there */
                return EXIT_OK;
        if (flags->svsm_log)
                json_object_object_add(svsm, "log", json_object_new_boolean(true));
        if (!value)
                return EXIT_OK;
        if (!attestation)
                return fail_usage(
                        cli,
                        "invalid --svsm-attestation '%s': expected URL[,vsock][,protocol=NAME]; "
                        "use a spec file for a URL with a comma",
                        value);
        json_object_object_add(svsm, "attestation", json_object_get(attestation));
        return EXIT_OK;
}

static ExitStatus apply_labels(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        if (!flags->labels.n)
                return EXIT_OK;
        return labels_read(cli, &flags->labels, member_of(object, "labels", json_type_object));
}

ExitStatus launch_flags_apply(const Cli *cli, const LaunchFlags *flags, json_object *object)
{
        static ExitStatus (*const parts[])(const Cli *, const LaunchFlags *, json_object *) = {
                apply_scalars,  apply_artifacts, apply_env,    apply_certs,
                apply_shares,   apply_disks,     apply_gpus,   apply_publish,
                apply_security, apply_svsm,      apply_labels,
        };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                ExitStatus status = parts[i](cli, flags, object);

                if (status.code)
                        return status;
        }
        return EXIT_OK;
}

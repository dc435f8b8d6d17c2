/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "env_file.h"
#include "fail.h"
#include "filter.h"
#include "launch_spec.h"
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

static ExitStatus apply_scalars(const Arguments *arguments, json_object *object)
{
        static const char *const texts[] = {"platform", "cmdline", "network", "driver"};
        const char *memory = arguments_value(arguments, "memory");
        uint64_t size;

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                const char *value = arguments_value(arguments, texts[i]);

                if (value)
                        json_object_object_add(object, texts[i], json_new_text(value));
        }
        if (arguments_has(arguments, "cpus"))
                json_object_object_add(
                        object, "cpus",
                        json_object_new_int64((int64_t)arguments_number(arguments, "cpus", 0)));
        if (memory && text_parse_size(memory, &size) < 0)
                return fail_usage(
                        &arguments->cli,
                        "invalid --memory '%s': expected bytes, or a number with K, M, G or T",
                        memory);
        if (memory)
                json_object_object_add(object, "memory", json_new_text(memory));
        if (arguments_has(arguments, "bind-workload"))
                json_object_object_add(object, "bindWorkload", json_object_new_boolean(true));
        if (arguments_has(arguments, "restart")) {
                json_object *restart = member_of(object, "restart", json_type_object);

                if (restart)
                        json_object_object_add(
                                restart, "policy",
                                json_new_text(arguments_value(arguments, "restart")));
        }
        if (arguments_has(arguments, "ttl"))
                json_object_object_add(
                        object, "ttlSec",
                        json_object_new_int64((int64_t)arguments_number(arguments, "ttl", 0)));
        if (arguments_has(arguments, "confidential"))
                json_object_object_add(object, "confidential", json_object_new_boolean(true));
        if (arguments_has(arguments, "debug"))
                json_object_object_add(object, "debug", json_object_new_boolean(true));
        if (arguments_has(arguments, "vsock")) {
                json_object *vsock = json_object_new_object();

                if (arguments_value(arguments, "vsock"))
                        json_object_object_add(vsock, "cid",
                                               json_object_new_int64((int64_t)arguments_number(
                                                       arguments, "vsock", 0)));
                json_object_object_add(object, "vsock", vsock);
        }
        return EXIT_OK;
}

static ExitStatus apply_security(const Arguments *arguments, json_object *object)
{
        const char *value;
        json_object *security;

        if (!arguments_has(arguments, "launch-security"))
                return EXIT_OK;
        security = member_of(object, "launchSecurity", json_type_object);
        for (size_t i = 0;
             security && (value = arguments_value_at(arguments, "launch-security", i)); i++) {
                const char *equals = strchr(value, '=');
                _cleanup_free_ char *name = NULL;

                if (!equals || equals == value)
                        return fail_usage(&arguments->cli,
                                          "invalid --launch-security '%s': expected FIELD=VALUE",
                                          value);
                name = strndup(value, (size_t)(equals - value));
                if (!name)
                        return fail_memory(&arguments->cli);
                json_object_object_add(security, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}

static ExitStatus apply_artifacts(const Arguments *arguments, json_object *object)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *option = spec_artifact_kind_name(kind);
                const char *value = arguments_value(arguments, option);
                json_object *reference;

                if (!value)
                        continue;
                if (!*value)
                        return fail_usage(&arguments->cli,
                                          "--%s requires a file, or " EMBEDDED "NAME", option);
                if (strncmp(value, EMBEDDED, strlen(EMBEDDED)) == 0)
                        reference =
                                json_build("name", json_new_text(value + strlen(EMBEDDED)), NULL);
                else
                        reference = json_build("path", launch_path(".", value), NULL);
                json_object_object_add(object, option, reference);
        }
        return EXIT_OK;
}

static ExitStatus read_env_file(const Arguments *arguments, const char *path, json_object *env)
{
        _cleanup_json_ json_object *variables = json_object_new_object();
        _cleanup_free_ char *text = NULL;
        EnvFileError where;
        size_t size;
        int r;

        r = file_read_at(AT_FDCWD, path, ENV_FILE_MAX, &text, &size);
        if (r < 0)
                return fail_file_error(&arguments->cli, path, r, "cannot read the environment");
        r = env_file_parse(text, size, variables, &where);
        explicit_bzero(text, size);
        if (r == -EBADMSG)
                return fail_file(&arguments->cli, path, where.line, "%s", where.reason);
        if (r < 0)
                return fail_memory(&arguments->cli);
        json_object_object_foreach (variables, name, value) {
                json_object_object_add(env, name, json_object_get(value));
        }
        return EXIT_OK;
}

static ExitStatus apply_env(const Arguments *arguments, json_object *object)
{
        _cleanup_json_ json_object *seen = json_object_new_object();
        const char *file = arguments_value(arguments, "env-file"), *assignment;
        json_object *env;

        if (!file && !arguments_has(arguments, "env"))
                return EXIT_OK;
        env = member_of(object, "env", json_type_object);
        if (!env)
                return EXIT_OK;
        if (file) {
                ExitStatus status = read_env_file(arguments, file, env);

                if (status.code)
                        return status;
        }
        for (size_t i = 0; (assignment = arguments_value_at(arguments, "env", i)); i++) {
                const char *equals = strchr(assignment, '=');
                _cleanup_free_ char *name = NULL;

                /* what was meant as a value is not repeated: it may be a secret */
                if (!equals || equals == assignment)
                        return fail_usage(&arguments->cli, "--env must be KEY=VALUE");
                name = strndup(assignment, (size_t)(equals - assignment));
                if (!name)
                        return fail_memory(&arguments->cli);
                if (json_object_object_get_ex(seen, name, NULL))
                        return fail_usage(&arguments->cli, "--env gives %s twice", name);
                json_object_object_add(seen, name, NULL);
                json_object_object_add(env, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}

static ExitStatus apply_certs(const Arguments *arguments, json_object *object)
{
        const char *directory = arguments_value(arguments, "certs");
        json_object *certs;

        if (!directory)
                return EXIT_OK;
        certs = member_of(object, "certs", json_type_object);
        return certs ? launch_certs_directory(&arguments->cli, directory, certs) : EXIT_OK;
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

static ExitStatus apply_shares(const Arguments *arguments, json_object *object)
{
        _cleanup_json_ json_object *seen = json_object_new_object();
        const char *value;
        json_object *shares;

        if (!arguments_has(arguments, "share"))
                return EXIT_OK;
        shares = member_of(object, "shares", json_type_array);
        for (size_t i = 0; shares && (value = arguments_value_at(arguments, "share", i)); i++) {
                const char *equals = strchr(value, '='), *suffix;
                _cleanup_free_ char *tag = NULL, *path = NULL;
                bool writable;
                size_t length;

                if (!equals || equals == value || !equals[1])
                        return fail_usage(&arguments->cli,
                                          "invalid --share '%s': expected TAG=PATH[:rw]", value);
                length = strlen(equals + 1);
                suffix = length > 3 ? equals + 1 + length - 3 : "";
                writable = strcmp(suffix, ":rw") == 0;
                tag = strndup(value, (size_t)(equals - value));
                path = strndup(equals + 1, length - (writable ? 3 : 0));
                if (!tag || !path)
                        return fail_memory(&arguments->cli);
                if (json_object_object_get_ex(seen, tag, NULL))
                        return fail_usage(&arguments->cli, "--share gives the tag %s twice", tag);
                json_object_object_add(seen, tag, NULL);
                put_share(shares, tag,
                          json_build("tag", json_new_text(tag), "path", launch_path(".", path),
                                     "readOnly", json_object_new_boolean(!writable), NULL));
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
        disk = json_build("path", launch_path(".", strtok_r(copy, ",", &save)), NULL);
        while ((option = strtok_r(NULL, ",", &save)))
                if (!put_disk_option(disk, option))
                        return NULL;
        return TAKE_PTR(disk);
}

static ExitStatus apply_disks(const Arguments *arguments, json_object *object)
{
        const char *value;
        json_object *disks;

        if (!arguments_has(arguments, "disk"))
                return EXIT_OK;
        disks = member_of(object, "disks", json_type_array);
        for (size_t i = 0; disks && (value = arguments_value_at(arguments, "disk", i)); i++) {
                json_object *disk = parse_disk(value);

                if (!disk)
                        return fail_usage(&arguments->cli,
                                          "invalid --disk '%s': expected "
                                          "PATH[,rw][,format=raw|qcow2][,bus=scsi|virtio|svsm][,id="
                                          "ID]; use a spec file for a path with a comma",
                                          value);
                json_object_array_add(disks, disk);
        }
        return EXIT_OK;
}

static ExitStatus apply_gpus(const Arguments *arguments, json_object *object)
{
        const char *value;
        json_object *gpus;

        if (!arguments_has(arguments, "gpu"))
                return EXIT_OK;
        gpus = member_of(object, "gpus", json_type_array);
        for (size_t i = 0; gpus && (value = arguments_value_at(arguments, "gpu", i)); i++)
                json_object_array_add(gpus, json_new_text(value));
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

static ExitStatus apply_publish(const Arguments *arguments, json_object *object)
{
        const char *value = arguments_value_at(arguments, "publish", 0);
        json_object *forwards;

        if (!value)
                return EXIT_OK;
        forwards = json_object_new_array();
        json_object_object_add(object, "forwards", forwards);
        if (strcmp(value, "none") == 0 && !arguments_value_at(arguments, "publish", 1))
                return EXIT_OK;
        for (size_t i = 0; (value = arguments_value_at(arguments, "publish", i)); i++) {
                json_object *forward = parse_publish(value);

                if (!forward)
                        return fail_usage(
                                &arguments->cli,
                                "invalid --publish '%s': expected [ADDR:]HOST:GUEST[/udp], with "
                                "ports up to 65535, or 'none' on its own",
                                value);
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

static ExitStatus apply_svsm(const Arguments *arguments, json_object *object)
{
        const char *value = arguments_value(arguments, "svsm-attestation");
        _cleanup_json_ json_object *attestation = value ? parse_attestation(value) : NULL;
        json_object *svsm = NULL;

        if (value || arguments_has(arguments, "svsm-log"))
                svsm = member_of(object, "svsm", json_type_object);
        if (!svsm) /* neither is given, or the daemon refuses what the file has there */
                return EXIT_OK;
        if (arguments_has(arguments, "svsm-log"))
                json_object_object_add(svsm, "log", json_object_new_boolean(true));
        if (!value)
                return EXIT_OK;
        if (!attestation)
                return fail_usage(
                        &arguments->cli,
                        "invalid --svsm-attestation '%s': expected URL[,vsock][,protocol=NAME]; "
                        "use a spec file for a URL with a comma",
                        value);
        json_object_object_add(svsm, "attestation", json_object_get(attestation));
        return EXIT_OK;
}

static ExitStatus apply_labels(const Arguments *arguments, json_object *object)
{
        if (!arguments_has(arguments, "label"))
                return EXIT_OK;
        return filter_read_labels(arguments, member_of(object, "labels", json_type_object));
}

ExitStatus launch_flags_apply(const Arguments *arguments, json_object *object)
{
        static ExitStatus (*const parts[])(const Arguments *, json_object *) = {
                apply_scalars,  apply_artifacts, apply_env,    apply_certs,
                apply_shares,   apply_disks,     apply_gpus,   apply_publish,
                apply_security, apply_svsm,      apply_labels,
        };

        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                ExitStatus status = parts[i](arguments, object);

                if (status.code)
                        return status;
        }
        return EXIT_OK;
}

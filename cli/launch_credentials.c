/* SPDX-License-Identifier: Apache-2.0 */

/*
 * {"credential": NAME} in a spec stands for the file NAME in $CREDENTIALS_DIRECTORY, where systemd
 * puts what LoadCredential= and its like name (systemd.exec(5)): keys need not lie in the spec.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fault.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "launch_credentials.h"
#include "spec/spec.h"

typedef struct Credentials {
        const Cli *cli;
        bool render;
        int dirfd; /* -1: none is set */
        CvmError *error;
} Credentials;

typedef struct Secret {
        char *data;
        size_t size;
} Secret;

static void secret_done(Secret *secret)
{
        if (secret->data)
                explicit_bzero(secret->data, secret->size);
        free(secret->data);
}

/* A credential that cannot be had stands for an empty one, so that its field has one fault. */
static ExitStatus launch_credentials_refuse(const Credentials *credentials, const char *field,
                                            const char *name, const char *reason, Secret *ret)
{
        fault_add(credentials->error, field, "credential %s: %s", name, reason);
        if (ret->data)
                explicit_bzero(ret->data, ret->size);
        free(ret->data);
        *ret = (Secret){.data = strdup("")};
        return ret->data ? EXIT_OK : fail_memory(credentials->cli);
}

static bool name_is_valid(const char *name)
{
        return *name && strlen(name) <= 255 && !strchr(name, '/') && strcmp(name, ".") != 0 &&
               strcmp(name, "..") != 0;
}

/* Whether a value names a credential. */
static bool is_reference(json_object *value)
{
        return json_object_is_type(value, json_type_object) && json_member(value, "credential");
}

static ExitStatus read_secret(const Credentials *credentials, const char *field,
                              json_object *reference, size_t max, Secret *ret)
{
        const char *name = json_member_string(reference, "credential");
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (!name || !name_is_valid(name) || json_object_object_length(reference) != 1)
                return launch_credentials_refuse(
                        credentials, field, name ?: "?",
                        "must be {\"credential\": NAME}, where NAME is a file's name", ret);
        if (credentials->dirfd < 0 && credentials->render) {
                ret->data = strdup("");
                return ret->data ? EXIT_OK : fail_memory(credentials->cli);
        }
        if (credentials->dirfd < 0)
                return launch_credentials_refuse(
                        credentials, field, name,
                        "CREDENTIALS_DIRECTORY is not set; systemd sets it for a unit with "
                        "LoadCredential= or LoadCredentialEncrypted=",
                        ret);
        fd = openat(credentials->dirfd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
        if (fd < 0 || fstat(fd, &st) < 0)
                return launch_credentials_refuse(credentials, field, name,
                                                 errno == ENOENT
                                                         ? "the unit has no credential of that name"
                                                         : strerror(errno),
                                                 ret);
        if (!S_ISREG(st.st_mode))
                return launch_credentials_refuse(credentials, field, name, "not a regular file",
                                                 ret);
        r = fd_read_all(fd, max, &ret->data, &ret->size);
        if (r == -EFBIG)
                return launch_credentials_refuse(credentials, field, name, "too large", ret);
        return r < 0 ? launch_credentials_refuse(credentials, field, name, strerror(-r), ret)
                     : EXIT_OK;
}

/* A variable's value is one line: the line break that editors leave at the end is not of it. */
static ExitStatus resolve_variable(const Credentials *credentials, json_object *env,
                                   const char *key, json_object *reference)
{
        _cleanup_(secret_done) Secret secret = {};
        _cleanup_free_ char *field = NULL;
        size_t size;
        ExitStatus status;

        field = text_format("env.%s", key);
        if (!field)
                return fail_memory(credentials->cli);
        status = read_secret(credentials, field, reference, SPEC_ENV_BYTES_MAX, &secret);
        if (status.code)
                return status;
        size = secret.size;
        if (size && secret.data[size - 1] == '\n')
                size--;
        if (memchr(secret.data, 0, size) || !text_is_utf8(secret.data, size)) {
                status = launch_credentials_refuse(credentials, field,
                                                   json_member_string(reference, "credential"),
                                                   "not text in UTF-8", &secret);
                size = 0;
        }
        if (status.code)
                return status;
        json_object_object_add(env, key, json_object_new_string_len(secret.data, (int)size));
        return EXIT_OK;
}

static ExitStatus resolve_cert(const Credentials *credentials, json_object *certs, const char *key,
                               json_object *reference)
{
        _cleanup_(secret_done) Secret secret = {}, encoded = {};
        _cleanup_free_ char *field = NULL;
        ExitStatus status;

        field = text_format("certs.%s", key);
        if (!field)
                return fail_memory(credentials->cli);
        status = read_secret(credentials, field, reference, SPEC_CERT_BYTES_MAX, &secret);
        if (status.code)
                return status;
        encoded.data = text_base64(secret.data, secret.size);
        if (!encoded.data)
                return fail_memory(credentials->cli);
        encoded.size = strlen(encoded.data);
        json_object_object_add(certs, key,
                               json_build("base64", json_object_new_string(encoded.data), NULL));
        return EXIT_OK;
}

typedef ExitStatus (*Resolve)(const Credentials *credentials, json_object *object, const char *key,
                              json_object *reference);

static ExitStatus resolve_members(const Credentials *credentials, json_object *object,
                                  Resolve resolve)
{
        ExitStatus status = EXIT_OK;

        if (!json_object_is_type(object, json_type_object))
                return EXIT_OK;
        /* a member that is there already is replaced in its place, so the walk can continue */
        json_object_object_foreach (object, key, value) {
                if (!status.code && is_reference(value))
                        status = resolve(credentials, object, key, value);
        }
        return status;
}

ExitStatus launch_credentials_resolve(const Cli *cli, bool render, json_object *object,
                                      CvmError *error)
{
        const char *path = getenv("CREDENTIALS_DIRECTORY");
        _cleanup_close_ int dirfd = -1;
        Credentials credentials = {.cli = cli, .render = render, .dirfd = -1, .error = error};
        ExitStatus status;

        if (path && *path == '/')
                dirfd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        credentials.dirfd = dirfd;
        status = resolve_members(&credentials, json_member(object, "env"), resolve_variable);
        return status.code
                       ? status
                       : resolve_members(&credentials, json_member(object, "certs"), resolve_cert);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "artifact/artifact.h"
#include "base/fault.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "launch_copy.h"
#include "launch_files.h"
#include "spec/spec.h"

#define INLINE_MAX (64u << 10) /* bytes of a certificate that is sent by value */

json_object *launch_files_path(const char *directory, const char *path)
{
        _cleanup_free_ char *cwd = NULL, *absolute = NULL;

        if (*path == '/')
                return json_new_text(path);
        if (*directory != '/') {
                cwd = getcwd(NULL, 0);
                if (!cwd)
                        return NULL;
        }
        if (strcmp(directory, ".") == 0)
                directory = "";
        absolute = text_format("%s%s%s%s%s", cwd ?: "", cwd && *directory ? "/" : "", directory,
                               "/", path);
        if (!absolute)
                return NULL;
        return json_new_text(absolute);
}

/* One object that may have a path. `field` is its path in the spec. */
static void launch_files_resolve_one(json_object *object, const char *directory, const char *field,
                                     CvmError *error)
{
        const char *path = json_member_string(object, "path");
        _cleanup_free_ char *fd = NULL;

        if (json_member(object, "fd")) {
                fd = text_format("%s.fd", field);
                fault_add(error, fd ?: field, "a file cannot carry descriptors; give a path");
        }
        if (path && *path)
                json_object_object_add(object, "path", launch_files_path(directory, path));
}

static void launch_files_resolve_list(json_object *list, const char *directory, const char *key,
                                      CvmError *error)
{
        if (!json_object_is_type(list, json_type_array))
                return;
        for (size_t i = 0; i < json_object_array_length(list); i++) {
                _cleanup_free_ char *field = text_format("%s[%zu]", key, i);

                launch_files_resolve_one(json_object_array_get_idx(list, i), directory,
                                         field ?: key, error);
        }
}

void launch_files_resolve(json_object *object, const char *directory, CvmError *error)
{
        json_object *certs = json_member(object, "certs");

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);

                launch_files_resolve_one(json_member(object, name), directory, name, error);
        }
        if (json_object_is_type(certs, json_type_object)) {
                json_object_object_foreach (certs, name, source) {
                        _cleanup_free_ char *field = text_format("certs.%s", name);

                        launch_files_resolve_one(source, directory, field ?: "certs", error);
                }
        }
        launch_files_resolve_list(json_member(object, "shares"), directory, "shares", error);
        launch_files_resolve_list(json_member(object, "disks"), directory, "disks", error);
}

/* "." and "..", and what Kubernetes keeps for itself in a volume of secrets: the files are links
 * through "..data" to a directory with a name such as "..2026_11_30_06_54_39.17". */
static bool is_hidden_from_guest(const char *name)
{
        return strcmp(name, ".") == 0 || strncmp(name, "..", 2) == 0;
}

ExitStatus launch_files_read_certs(const Cli *cli, const char *path, json_object *certs)
{
        DIR *directory = opendir(path);
        struct dirent *entry;
        size_t n = 0;
        ExitStatus status = EXIT_OK;

        if (!directory)
                return fail_file_error(cli, path, -errno, "cannot read the certificates");
        while (!status.code && (entry = readdir(directory))) {
                const char *name = entry->d_name;
                struct stat st;

                if (is_hidden_from_guest(name))
                        continue;
                if (!text_is_utf8(name, strlen(name)))
                        status = fail_file(cli, path, 0, "a file's name is not valid UTF-8");
                else if (fstatat(dirfd(directory), name, &st, 0) < 0)
                        status = fail_file_error(cli, path, -errno, name);
                else if (!S_ISREG(st.st_mode))
                        status = fail_file(cli, path, 0,
                                           "%s is not a regular file; --certs requires a directory "
                                           "that contains only files",
                                           name);
                else if (++n > SPEC_CERTS_MAX)
                        status = fail_file(cli, path, 0, "more than %d files", SPEC_CERTS_MAX);
                else
                        json_object_object_add(
                                certs, name,
                                json_build("path", launch_files_path(path, name), NULL));
        }
        closedir(directory);
        return status;
}

/* A path that cannot be used: the launch is refused once the others have been tried, too. Returns
 * EXIT_OK, so that they are. */
static ExitStatus launch_files_refuse(LaunchSpec *spec, ExitStatus status, const char *field,
                                      const char *path, const char *reason)
{
        fault_add(&spec->faults, field, "%s: %s", path, reason);
        spec->fault_status = exit_first(spec->fault_status, status);
        return EXIT_OK;
}

/* The same of a system call that failed; r is -errno. A failure that is not the file's own ends the
 * launch at once. */
static ExitStatus refuse_error(const Cli *cli, LaunchSpec *spec, const char *field,
                               const char *path, int r)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (file_fault(r) == FILE_FAULT_FILE)
                return launch_files_refuse(spec, exit_of_file(r), field, path, strerror(-r));
        cvm_error_system(&error, r, "open %s", path);
        fail_error(cli, &error, NULL);
        return exit_of_file(r);
}

/* What a path must lead to. */
typedef enum Wanted { WANTED_FILE, WANTED_DIRECTORY, WANTED_DISK, WANTED_WRITABLE_DISK } Wanted;

/* Why it is not what is wanted, or NULL. */
static const char *unwanted(Wanted wanted, mode_t mode)
{
        if (wanted == WANTED_DIRECTORY)
                return S_ISDIR(mode) ? NULL : "not a directory";
        if (wanted == WANTED_FILE)
                return S_ISREG(mode) ? NULL : "not a regular file";
        return S_ISREG(mode) || S_ISBLK(mode) ? NULL : "neither a regular file nor a block device";
}

/* Opens what a field names. An fd of -1 with EXIT_OK: it is refused, or it is not here, and
 * `absent_ok`. */
static ExitStatus open_path(const Cli *cli, LaunchSpec *spec, const char *field, const char *path,
                            Wanted wanted, bool absent_ok, int *ret)
{
        int access = wanted == WANTED_WRITABLE_DISK ? O_RDWR : O_RDONLY;
        const char *problem;
        _cleanup_close_ int fd = -1;
        struct stat st;

        *ret = -1;
        fd = open(path, access | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno == ENOENT && absent_ok)
                return EXIT_OK;
        if (fd < 0 || fstat(fd, &st) < 0)
                return refuse_error(cli, spec, field, path, -errno);
        problem = unwanted(wanted, st.st_mode);
        if (problem)
                return launch_files_refuse(spec, exit_status(EXIT_DATA), field, path, problem);
        *ret = TAKE_FD(fd);
        return EXIT_OK;
}

/* Takes fd into the list and writes its index into the object, whose path stays as a note of where
 * it comes from. `what` is the name of the descriptor in a reply of Render. */
static void send_fd(LaunchSpec *spec, json_object *object, const char *what, int fd)
{
        json_object_object_add(spec->paths, what, json_object_get(json_member(object, "path")));
        json_object_object_add(object, "fd", json_object_new_int64((int64_t)spec->n_fds));
        spec->fds[spec->n_fds++] = fd;
}

/* Whether the daemon may have to open the file again for a restart. */
static bool is_restarted(const LaunchSpec *spec)
{
        const char *policy = json_member_string(json_member(spec->object, "restart"), "policy");

        return policy && strcmp(policy, "no") != 0;
}

/* A file that a server answers for goes as a copy, or as the path that it is: disks and shares, and
 * what a restart needs, which no copy outlives. max: of a file, in bytes. */
static ExitStatus settle_served(const Cli *cli, const LaunchSpec *spec, const char *field,
                                const char *path, Wanted wanted, uint64_t max, int *fd)
{
        if (*fd < 0 || !launch_copy_is_served(*fd))
                return EXIT_OK;
        if (wanted == WANTED_FILE && !is_restarted(spec))
                return launch_copy(cli, field, path, max, fd);
        close(TAKE_FD(*fd));
        return EXIT_OK;
}

/* A kernel, initramfs, firmware, IGVM, a share or a disk: at most SPEC_SHARES_MAX + SPEC_DISKS_MAX
 * + 4, so there is room. */
static ExitStatus open_one(const Cli *cli, bool render, LaunchSpec *spec, json_object *object,
                           const char *field, const char *what, Wanted wanted, uint64_t max)
{
        const char *path = json_member_string(object, "path");
        _cleanup_close_ int fd = -1;
        ExitStatus status;

        if (!path)
                return EXIT_OK;
        status = open_path(cli, spec, field, path, wanted, render, &fd);
        if (!status.code)
                status = settle_served(cli, spec, field, path, wanted, max, &fd);
        if (!status.code && fd >= 0)
                send_fd(spec, object, what, TAKE_FD(fd));
        return status;
}

static ExitStatus open_shares(const Cli *cli, bool render, LaunchSpec *spec)
{
        json_object *shares = json_member(spec->object, "shares");
        size_t n = shares ? json_object_array_length(shares) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *share = json_object_array_get_idx(shares, i);
                _cleanup_free_ char *field = NULL, *what = NULL;
                ExitStatus status;

                field = text_format("shares[%zu].path", i);
                what = text_format("share:%s", json_member_string(share, "tag"));
                if (!field || !what)
                        return fail_memory(cli);
                status = open_one(cli, render, spec, share, field, what, WANTED_DIRECTORY, 0);
                if (status.code)
                        return status;
        }
        return EXIT_OK;
}

static ExitStatus open_disks(const Cli *cli, bool render, LaunchSpec *spec)
{
        json_object *disks = json_member(spec->object, "disks");
        size_t n = disks ? json_object_array_length(disks) : 0;

        for (size_t i = 0; i < n; i++) {
                json_object *disk = json_object_array_get_idx(disks, i);
                const char *id = json_member_string(disk, "id");
                _cleanup_free_ char *field = NULL, *what = NULL;
                ExitStatus status;

                field = text_format("disks[%zu].path", i);
                what = id ? text_format("disk:%s", id) : text_format("disk:disk%zu", i);
                if (!field || !what)
                        return fail_memory(cli);
                status = open_one(cli, render, spec, disk, field, what,
                                  json_member_bool(disk, "readOnly", true) ? WANTED_DISK
                                                                           : WANTED_WRITABLE_DISK,
                                  0);
                if (status.code)
                        return status;
        }
        return EXIT_OK;
}

static ExitStatus inline_cert(const Cli *cli, LaunchSpec *spec, const char *field, const char *path,
                              int fd, json_object *source)
{
        _cleanup_free_ char *data = NULL, *encoded = NULL;
        size_t size;
        int r = fd_read_all(fd, SPEC_CERT_BYTES_MAX, &data, &size);

        if (r < 0)
                return refuse_error(cli, spec, field, path, r);
        encoded = text_base64(data, size);
        explicit_bzero(data, size);
        if (!encoded)
                return fail_memory(cli);
        json_object_object_del(source, "path");
        json_object_object_add(source, "base64", json_object_new_string(encoded));
        explicit_bzero(encoded, strlen(encoded));
        return EXIT_OK;
}

static ExitStatus open_cert(const Cli *cli, bool render, LaunchSpec *spec, const char *name,
                            json_object *source)
{
        const char *path = json_member_string(source, "path");
        _cleanup_free_ char *field = NULL;
        _cleanup_close_ int fd = -1;
        struct stat st;
        ExitStatus status;

        if (!path)
                return EXIT_OK;
        field = text_format("certs.%s", name);
        if (!field)
                return fail_memory(cli);
        status = open_path(cli, spec, field, path, WANTED_FILE, render, &fd);
        if (status.code || fd < 0)
                return status;
        if (fstat(fd, &st) < 0)
                return refuse_error(cli, spec, field, path, -errno);
        if (st.st_size > SPEC_CERT_BYTES_MAX)
                return launch_files_refuse(spec, exit_status(EXIT_DATA), field, path, "over 1 MiB");
        if (st.st_size <= INLINE_MAX || spec->n_fds == LAUNCH_FDS_MAX)
                return inline_cert(cli, spec, field, path, fd, source);
        if (launch_copy_is_served(fd))
                status = launch_copy(cli, field, path, SPEC_CERT_BYTES_MAX, &fd);
        if (status.code)
                return status;
        send_fd(spec, source, field, TAKE_FD(fd));
        json_object_object_del(source, "path");
        return status;
}

static ExitStatus launch_files_open_all(const Cli *cli, bool render, LaunchSpec *spec)
{
        json_object *certs = json_member(spec->object, "certs");
        ExitStatus status = EXIT_OK;

        for (SpecArtifactKind kind = 0; !status.code && kind < _ARTIFACT_KIND_MAX; kind++) {
                const char *name = spec_artifact_kind_name(kind);

                status = open_one(
                        cli, render, spec, json_member(spec->object, name), name, name, WANTED_FILE,
                        kind == ARTIFACT_FIRMWARE ? ARTIFACT_FIRMWARE_SIZE_MAX : ARTIFACT_SIZE_MAX);
        }
        if (!status.code)
                status = open_shares(cli, render, spec);
        if (!status.code)
                status = open_disks(cli, render, spec);
        if (status.code || !certs)
                return status;
        json_object_object_foreach (certs, name, source) {
                status = status.code ? status : open_cert(cli, render, spec, name, source);
        }
        return status;
}

ExitStatus launch_files_open(const Cli *cli, bool render, LaunchSpec *spec)
{
        ExitStatus status = launch_files_open_all(cli, render, spec);

        if (status.code || !cvm_error_is_set(&spec->faults))
                return status;
        spec_file_fail(cli, &spec->file, &spec->faults);
        return spec->fault_status;
}

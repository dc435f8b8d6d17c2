/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/sent.h"

#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/foreign.h"

SentFile *sent_files_new(size_t n)
{
        SentFile *files = calloc(n + 1, sizeof(*files));

        for (size_t i = 0; files && i < n; i++)
                files[i].fd = -1;
        return files;
}

void sent_files_close(uid_t uid, SentFile *files, size_t n)
{
        for (size_t i = 0; files && i < n; i++) {
                foreign_close(uid, &files[i].fd, 1);
                files[i].fd = -1;
        }
}

int sent_file_take(WireCall *call, int64_t index, CallerOpen what, const char *field, SentFile *ret,
                   CvmError *error)
{
        const Descriptor *judged;

        if (index < 0)
                return 0;
        if (!call)
                return cvm_error_invalid_spec(error, field,
                                              "was sent as a descriptor of a file without a path, "
                                              "which cannot be opened again");
        judged = wire_call_judgement(call, (size_t)index);
        if (judged && (judged->kind == DESCRIPTOR_USELESS || judged->kind == DESCRIPTOR_SERVED))
                return caller_refuse_fd(judged, what, field, error);
        ret->fd = wire_call_take_fd(call, (size_t)index);
        if (ret->fd < 0)
                return cvm_error_invalid_spec(error, field,
                                              "no descriptor %lld was sent with the call, which "
                                              "requires a local connection",
                                              (long long)index);
        ret->judged = *judged;
        return 0;
}

void sent_file_ask(SentFile *file, uid_t uid)
{
        if (file->fd >= 0 && file->judged.kind == DESCRIPTOR_UNKNOWN)
                (void)descriptor_ask(file->fd, uid, &file->judged);
}

char *sent_file_name(const SentFile *file)
{
        _cleanup_free_ char *path = NULL;
        struct stat named, sent;

        if (file->fd < 0 || file->judged.kind != DESCRIPTOR_USABLE ||
            fd_read_path(file->fd, &path) < 0)
                return NULL;
        return fstat(file->fd, &sent) == 0 && stat(path, &named) == 0 &&
                               sent.st_dev == named.st_dev && sent.st_ino == named.st_ino
                       ? TAKE_PTR(path)
                       : NULL;
}

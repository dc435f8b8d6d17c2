/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/caller.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#include "base/child_setup.h"
#include "base/clock.h"
#include "base/errand.h"
#include "base/file.h"
#include "base/filesystem.h"
#include "base/foreign.h"
#include "base/fork.h"
#include "base/memfd.h"
#include "base/socket.h"
#include "base/text.h"

/* What the child sends: the step that failed and its errno, or 0 with a descriptor. */
typedef enum Step { STEP_BECOME, STEP_OPEN, STEP_SEARCH, STEP_WRITE, STEP_READ } Step;

typedef struct Answer {
        Step step;
        int error;
        mode_t mode; /* of a path that was opened; 0: of a descriptor, which is not looked at */
        uint64_t size;
        uint64_t magic; /* f_type of statfs(2); 0: its file system does not know the question */
        /* No descriptor comes with this: the child reads the file when asked, answers with this
         * again after each CALLER_READ_STEP bytes, and at the end without it. */
        bool reads;
} Answer;

typedef struct Request {
        const Caller *caller;
        const char *path; /* NULL: look at the directory fd instead */
        int fd;           /* -1: open the path */
        int memory;       /* for the content where a server answers for the file; -1: none */
        CallerOpen what;
        bool writable, switch_user;
} Request;

/*
 * The child. It is a copy of one thread of the daemon: other threads may have left locks that
 * nobody will release, so the child makes nothing but system calls.
 */

static int become_caller(const Request *request)
{
        const Caller *caller = request->caller;
        /* a caller that is root keeps its rights to files; nobody else keeps anything */
        uint32_t kept = caller->uid == 0 ? 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH : 0;
        int r = request->switch_user ? child_setup_ids(caller->uid, caller->gid, caller->groups,
                                                       caller->n_groups)
                                     : 0;

        if (r < 0)
                return r;
        /* This process has the caller's uid and the daemon's memory: nobody may look into it. And
         * should the daemon die, an open that hangs must not stay behind. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return -errno;
        r = fork_end_with_parent();
        return r < 0 ? r : child_setup_capabilities(kept);
}

static int may(int fd, int mode)
{
        return syscall(SYS_faccessat2, fd, "", mode, AT_EACCESS | AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* Whether the open itself must be for writing: what is done in a directory is asked otherwise. */
static bool is_written(const Request *request)
{
        return request->what == CALLER_OPEN_DISK && request->writable;
}

static int caller_open_path(const Request *request)
{
        struct open_how how = {
                .flags = (is_written(request) ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOCTTY |
                         O_CLOEXEC | (request->what == CALLER_OPEN_DIRECTORY ? O_DIRECTORY : 0),
                .resolve = RESOLVE_NO_MAGICLINKS |
                           (request->what == CALLER_OPEN_PLAIN ? RESOLVE_NO_SYMLINKS : 0),
        };
        int fd = (int)syscall(SYS_openat2, AT_FDCWD, request->path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* Sets answer->step. Returns the fd or -errno. */
static int open_as_caller(const Request *request, Answer *answer)
{
        int fd = request->fd, r;

        answer->step = STEP_BECOME;
        r = become_caller(request);
        if (r < 0)
                return r;
        answer->step = STEP_OPEN;
        if (fd < 0)
                fd = caller_open_path(request);
        if (fd < 0 || request->what != CALLER_OPEN_DIRECTORY)
                return fd;
        answer->step = STEP_SEARCH;
        r = may(fd, R_OK | X_OK);
        if (r == 0 && request->writable) {
                answer->step = STEP_WRITE;
                r = may(fd, W_OK);
        }
        return r < 0 ? r : fd;
}

static void send_answer(int sock, const Answer *answer, int fd)
{
        (void)socket_send(sock, answer, sizeof(*answer), &fd, fd >= 0, 0);
}

/* Whether a regular file, neither longer nor of another version than it was, is in memory now.
 * Returns 0, -ESTALE or -errno. */
static int caller_copy_to_memory(int fd, int memory, const struct stat *before, int sock)
{
        const Answer more = {.step = STEP_READ, .reads = true};
        uint64_t size = (uint64_t)before->st_size, done = 0;
        char bytes[65536];
        struct stat after;

        for (;;) {
                ssize_t n = read(fd, bytes, sizeof(bytes));

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if ((uint64_t)n > size - done)
                        return -ESTALE;
                for (ssize_t written = 0, m; written < n; written += m) {
                        m = pwrite(memory, bytes + written, (size_t)(n - written),
                                   (off_t)done + written);
                        if (m < 0)
                                return -errno;
                }
                if ((done + (uint64_t)n) / CALLER_READ_STEP > done / CALLER_READ_STEP)
                        send_answer(sock, &more, -1);
                done += (uint64_t)n;
        }
        if (fstat(fd, &after) < 0)
                return -errno;
        return done == size && after.st_size == before->st_size &&
                               after.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                               after.st_mtim.tv_nsec == before->st_mtim.tv_nsec
                       ? 0
                       : -ESTALE;
}

/* What was opened, as the caller sees it. */
static int caller_look_at(const Request *request, int fd, struct stat *st, Answer *answer)
{
        struct statfs fs;

        if (fstat(fd, st) < 0)
                return -errno;
        answer->mode = st->st_mode;
        answer->size = (uint64_t)st->st_size;
        answer->magic = fstatfs(fd, &fs) < 0 ? 0 : (uint64_t)fs.f_type;
        answer->reads = request->memory >= 0 && S_ISREG(st->st_mode) &&
                        filesystem_of_magic(answer->magic).kind == FILESYSTEM_SERVED;
        return 0;
}

/* A request as the child gets it: what its pointers point to follows. */
typedef struct SentRequest {
        uid_t uid;
        gid_t gid;
        CallerOpen what;
        bool writable, switch_user;
        uint32_t n_groups;
        char rest[]; /* the groups; then the path, if there is one, with its NUL */
} SentRequest;

static void caller_child_run(int sock, const int *fds, size_t n, const void *data)
{
        const SentRequest *sent = data;
        const gid_t *groups = (const gid_t *)sent->rest;
        const Caller caller = {sent->uid, sent->gid, groups, sent->n_groups, NULL};
        const Request its = {
                &caller,          fds[0] < 0 ? (const char *)(groups + sent->n_groups) : NULL,
                fds[0],           fds[1],
                sent->what,       sent->writable,
                sent->switch_user};
        const Request *request = &its;
        Answer answer = {};
        struct stat st;
        char go;
        int fd;

        syscall(SYS_close_range, STDIN_FILENO, STDERR_FILENO, 0);
        fd = open_as_caller(request, &answer);
        answer.error = fd < 0 ? -fd : 0;
        if (fd >= 0 && request->path)
                answer.error = -caller_look_at(request, fd, &st, &answer);
        send_answer(sock, &answer, request->path && !answer.error && !answer.reads ? fd : -1);
        if (answer.reads && !answer.error && recv(sock, &go, sizeof(go), 0) == sizeof(go)) {
                answer.step = STEP_READ;
                answer.reads = false;
                answer.error = -caller_copy_to_memory(fd, request->memory, &st, sock);
                send_answer(sock, &answer, -1);
        }
}

/* A child that sends no signal when it ends, so that the daemon's own watch over its children never
 * hears of it. Returns 0 or -errno. */
static int caller_spawn(const Request *request, Errand *errand)
{
        const Caller *caller = request->caller;
        size_t of_groups = caller->n_groups * sizeof(gid_t);
        size_t of_path = request->path ? strlen(request->path) + 1 : 0;
        size_t size = sizeof(SentRequest) + of_groups + of_path;
        const int fds[] = {request->fd, request->memory};
        _cleanup_free_ SentRequest *sent = calloc(1, size);
        const ErrandWork work = {caller_child_run, sent, size};

        if (!sent)
                return -ENOMEM;
        *sent = (SentRequest){
                .uid = caller->uid,
                .gid = caller->gid,
                .what = request->what,
                .writable = request->writable,
                .switch_user = request->switch_user,
                .n_groups = (uint32_t)caller->n_groups,
        };
        if (of_groups)
                memcpy(sent->rest, caller->groups, of_groups);
        if (of_path)
                memcpy(sent->rest + of_groups, request->path, of_path);
        return errand_begin(errand, caller->uid, &work, fds, ARRAY_SIZE(fds));
}

/* What is asked for, as errors name it. Newly allocated. */
static char *subject(const Request *request)
{
        if (!request->path)
                return strdup("the descriptor");
        return text_format("'%s'", request->path);
}

static int refuse_open(const Request *request, int error_number, const char *field, CvmError *error)
{
        unsigned uid = request->caller->uid;
        const char *path = request->path;

        switch (error_number) {
        case ENOENT:
                return cvm_error_invalid_spec(error, field, "'%s' does not exist", path);
        case EACCES:
        case EPERM:
                return cvm_error_invalid_spec(error, field, "uid %u may not read%s '%s'", uid,
                                              is_written(request) ? " and write" : "", path);
        case ENOTDIR:
                return cvm_error_invalid_spec(error, field, "'%s' is not a directory", path);
        case ELOOP:
                return cvm_error_invalid_spec(
                        error, field,
                        request->what == CALLER_OPEN_PLAIN
                                ? "'%s' is a symbolic link, which nothing of an image may be"
                                : "'%s' leads through a /proc link or too many symbolic links",
                        path);
        case ENXIO:
                return cvm_error_invalid_spec(
                        error, field, "'%s' is a socket or a device without a driver", path);
        default:
                if (file_fault(-error_number) != FILE_FAULT_FILE)
                        return cvm_error_system(error, -error_number, "open '%s'", path);
                return cvm_error_invalid_spec(error, field, "cannot open '%s': %s", path,
                                              strerror(error_number));
        }
}

static int caller_refuse(const Request *request, const Answer *answer, const char *field,
                         CvmError *error)
{
        _cleanup_free_ char *what = subject(request);
        unsigned uid = request->caller->uid;

        switch (answer->step) {
        case STEP_BECOME:
                break;
        case STEP_OPEN:
                return refuse_open(request, answer->error, field, error);
        case STEP_SEARCH:
                return cvm_error_invalid_spec(error, field, "uid %u may not read and enter %s: %s",
                                              uid, what ?: "it", strerror(answer->error));
        case STEP_WRITE:
                return cvm_error_invalid_spec(error, field, "uid %u may not write to %s: %s", uid,
                                              what ?: "it", strerror(answer->error));
        case STEP_READ:
                if (answer->error == ESTALE)
                        return cvm_error_invalid_spec(error, field, "%s changed while it was read",
                                                      what ?: "it");
                if (file_fault(-answer->error) != FILE_FAULT_FILE)
                        return cvm_error_system(error, -answer->error, "read %s", what ?: "it");
                return cvm_error_invalid_spec(error, field, "cannot read %s: %s", what ?: "it",
                                              strerror(answer->error));
        }
        return cvm_error_system(error, -answer->error, "assume the rights of uid %u", uid);
}

static const char *caller_kind_name(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFREG:
                return "a regular file";
        case S_IFDIR:
                return "a directory";
        case S_IFIFO:
                return "a FIFO";
        case S_IFSOCK:
                return "a socket";
        case S_IFCHR:
        case S_IFBLK:
                return "a device";
        default:
                return "something else";
        }
}

static const char *const wanted_names[] = {
        [CALLER_OPEN_FILE] = "a regular file",
        [CALLER_OPEN_PLAIN] = "a regular file",
        [CALLER_OPEN_DISK] = "a regular file or a block device",
        [CALLER_OPEN_DIRECTORY] = "a directory",
};

/* Whether a file of this mode on a file system of this magic is what is wanted. A directory is not
 * content: who opens files in it does so with rights of its own. */
static int check_kind(const Request *request, mode_t mode, uint64_t magic, const char *field,
                      CvmError *error)
{
        mode_t wanted = request->what == CALLER_OPEN_DIRECTORY ? S_IFDIR : S_IFREG;
        const Filesystem filesystem = filesystem_of_magic(magic);
        _cleanup_free_ char *what = subject(request);

        if ((mode & S_IFMT) != wanted && !(request->what == CALLER_OPEN_DISK && S_ISBLK(mode)))
                return cvm_error_invalid_spec(error, field, "%s is %s, not %s", what ?: "it",
                                              caller_kind_name(mode), wanted_names[request->what]);
        if (request->what == CALLER_OPEN_DIRECTORY || filesystem.kind != FILESYSTEM_KERNEL)
                return 0;
        return cvm_error_invalid_spec(error, field,
                                      "%s is a file on %s, whose content the kernel generates for "
                                      "each reader; use a copy of it",
                                      what ?: "it", filesystem.name);
}

static int caller_refuse_errand(const Request *request, int r, const char *field, CvmError *error)
{
        _cleanup_free_ char *what = subject(request);

        if (r == -EUSERS)
                return cvm_error_quota(error, "files that do not answer", ERRAND_LEFT_PER_UID,
                                       ERRAND_LEFT_PER_UID, 1);
        if (r == -ETIME)
                return cvm_error_invalid_spec(
                        error, field,
                        "with %s the files took longer than all together may: %d s, and a second "
                        "for each 4 MiB that a file server sends; use copies on a faster file "
                        "system",
                        what ?: "it", CALLER_LOAD_MSEC / 1000);
        if (r == -ETIMEDOUT)
                return cvm_error_invalid_spec(error, field, "opening %s took more than %d ms",
                                              what ?: "it", CALLER_OPEN_MSEC);
        return cvm_error_system(error, r, "open %s with the rights of uid %u", what ?: "it",
                                (unsigned)request->caller->uid);
}

/* The child's next answer. -ETIME: the budget is used up. */
static int caller_receive(const Request *request, const Errand *errand, int msec, Answer *answer,
                          int *ret_fd)
{
        CallerBudget *budget = request->caller->budget;
        int64_t begun = clock_monotonic_msec();
        int r;

        if (budget && budget->msec <= 0)
                return -ETIME; /* whatever a fast child has sent by now */
        if (budget && budget->msec < msec)
                msec = (int)budget->msec;
        r = errand_receive(errand, msec, answer, sizeof(*answer), ret_fd);
        if (budget)
                budget->msec -= clock_monotonic_msec() - begun;
        return r == -ETIMEDOUT && budget && budget->msec <= 0 ? -ETIME : r;
}

/* Has the child read the file, once there is room for it. One whose server stops sending is
 * given up, as its user's workers, and then others', would wait for it. */
static int caller_read_through(const Request *request, const Errand *errand,
                               const CallerContent *content, Answer *answer, const char *field,
                               CvmError *error)
{
        int msec = content->step_msec ?: CALLER_READ_MSEC, r;

        if (answer->size > content->max)
                return cvm_error_invalid_spec(error, field, "'%s' is longer than %" PRIu64 " bytes",
                                              request->path, content->max);
        r = content->reserve ? content->reserve(content->userdata, answer->size, error) : 0;
        if (r < 0)
                return r;
        if (request->caller->budget)
                request->caller->budget->msec += (int64_t)(answer->size * 1000 / CALLER_LOAD_RATE);
        if (send(errand->socket, "", 1, MSG_NOSIGNAL) != 1)
                return caller_refuse_errand(request, -ECHILD, field, error);
        do
                r = caller_receive(request, errand, msec, answer, NULL);
        while (r == 0 && answer->reads);
        if (r == -ETIMEDOUT)
                return cvm_error_invalid_spec(error, field,
                                              "reading '%s' took more than %d ms for %u KiB of it",
                                              request->path, msec, CALLER_READ_STEP >> 10);
        if (r < 0)
                return caller_refuse_errand(request, r, field, error);
        if (answer->error)
                return caller_refuse(request, answer, field, error);
        r = memfd_seal(request->memory);
        return r < 0 ? cvm_error_system(error, r, "seal a copy of '%s'", request->path) : 0;
}

/* Has a child do what the request says, with the caller's rights. *ret_fd stays -1 where the
 * request is about a descriptor, and where the content is in memory. content: may be NULL. */
static int act_as_caller(const Request *request, const CallerContent *content, const char *field,
                         int *ret_fd, CvmError *error)
{
        _cleanup_free_ char *what = subject(request);
        unsigned uid = request->caller->uid;
        Answer answer = {};
        Errand errand;
        int r;

        if (!request->switch_user && uid != geteuid())
                return cvm_error_invalid_spec(
                        error, field,
                        "cvmd runs as uid %u and cannot assume the rights of uid %u to open %s",
                        (unsigned)geteuid(), uid, what ?: "it");
        r = caller_spawn(request, &errand);
        if (r < 0)
                return caller_refuse_errand(request, r, field, error);
        r = caller_receive(request, &errand, CALLER_OPEN_MSEC, &answer, ret_fd);
        if (r < 0)
                r = caller_refuse_errand(request, r, field, error);
        else if (answer.error)
                r = caller_refuse(request, &answer, field, error);
        else if (request->path)
                r = check_kind(request, answer.mode, answer.magic, field, error);
        if (r == 0 && answer.reads)
                r = caller_read_through(request, &errand, content, &answer, field, error);
        errand_end(&errand);
        return r;
}

/* content: NULL hands every file over as it is. *ret_copied: the descriptor is of a copy. */
static int caller_open_or_read(const Caller *caller, const char *path, CallerOpen what,
                               bool writable, const CallerContent *content, const char *field,
                               int *ret, bool *ret_copied, CvmError *error)
{
        _cleanup_close_ int fd = -1, memory = content ? memfd_new("artifact") : -1;
        Request request = {
                .caller = caller,
                .path = path,
                .fd = -1,
                .memory = memory,
                .what = what,
                .writable = writable,
                .switch_user = geteuid() == 0,
        };
        int r;

        if (path[0] != '/')
                return cvm_error_invalid_spec(error, field, "'%s' is not an absolute path", path);
        if (content && memory < 0)
                return cvm_error_system(error, memory, "create a memory file");
        r = act_as_caller(&request, content, field, &fd, error);
        if (r < 0) {
                foreign_close(caller->uid, &fd, 1);
                fd = -1;
                return r;
        }
        *ret_copied = fd < 0 && memory >= 0;
        if (*ret_copied)
                fd = TAKE_FD(memory);
        if (fd < 0)
                return cvm_error_system(error, -EPROTO, "open '%s'", path);
        if (fcntl(fd, F_SETFL, 0) < 0) /* O_NONBLOCK was for the open alone */
                return cvm_error_system(error, -errno, "open '%s'", path);
        *ret = TAKE_FD(fd);
        return 0;
}

int caller_open(const Caller *caller, const char *path, CallerOpen what, bool writable,
                const char *field, int *ret, CvmError *error)
{
        bool copied;

        return caller_open_or_read(caller, path, what, writable, NULL, field, ret, &copied, error);
}

int caller_read(const Caller *caller, const char *path, const CallerContent *content,
                const char *field, int *ret, bool *ret_copied, CvmError *error)
{
        return caller_open_or_read(caller, path,
                                   content->no_links ? CALLER_OPEN_PLAIN : CALLER_OPEN_FILE, false,
                                   content, field, ret, ret_copied, error);
}

int caller_refuse_fd(const Descriptor *judged, CallerOpen what, const char *field, CvmError *error)
{
        if (judged->kind == DESCRIPTOR_USELESS)
                return cvm_error_invalid_spec(error, field, "the descriptor is %s, not %s",
                                              judged->what, wanted_names[what]);
        return cvm_error_invalid_spec(
                error, field,
                "the descriptor is of a file on %s, where a server may not answer: %s",
                judged->what,
                what == CALLER_OPEN_FILE
                        ? "give its path, or send a copy in memory, such as cvmctl "
                          "makes (memfd_create)"
                        : "give its path");
}

/* Asks about one that could not be judged at receipt. */
static int caller_check_judged(const Request *request, const Descriptor *judged, const char *field,
                               CvmError *error)
{
        Descriptor asked = *judged;
        int r = 0;

        if (judged->kind == DESCRIPTOR_UNKNOWN)
                r = descriptor_ask(request->fd, request->caller->uid, &asked);
        if (r < 0)
                return caller_refuse_errand(request, r, field, error);
        return asked.kind == DESCRIPTOR_USABLE
                       ? 0
                       : caller_refuse_fd(&asked, request->what, field, error);
}

int caller_check_fd(const Caller *caller, int fd, const Descriptor *judged, CallerOpen what,
                    bool writable, const char *field, CvmError *error)
{
        Request request = {
                .caller = caller,
                .fd = fd,
                .memory = -1,
                .what = what,
                .writable = writable,
                .switch_user = geteuid() == 0,
        };
        int flags = fcntl(fd, F_GETFL), none = -1, r;
        struct statfs fs;
        struct stat st;

        if (flags < 0)
                return cvm_error_system(error, -errno, "examine a descriptor");
        r = caller_check_judged(&request, judged, field, error);
        if (r < 0)
                return r;
        if (fstat(fd, &st) < 0 || fstatfs(fd, &fs) < 0)
                return cvm_error_system(error, -errno, "examine a descriptor");
        r = check_kind(&request, st.st_mode, (uint64_t)fs.f_type, field, error);
        if (r < 0)
                return r;
        if (what == CALLER_OPEN_DIRECTORY)
                return act_as_caller(&request, NULL, field, &none, error);
        if (flags & O_PATH)
                return cvm_error_invalid_spec(error, field,
                                              "the descriptor was opened with O_PATH, which does "
                                              "not prove a right to read");
        if ((flags & O_ACCMODE) == O_WRONLY)
                return cvm_error_invalid_spec(error, field,
                                              "the descriptor is not open for reading");
        if (is_written(&request) && (flags & O_ACCMODE) != O_RDWR)
                return cvm_error_invalid_spec(error, field,
                                              "the descriptor is not open for writing");
        return 0;
}

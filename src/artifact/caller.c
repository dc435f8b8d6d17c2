/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/caller.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fork.h"

/* Not in <linux/magic.h>: fs/configfs/mount.c, fs/fuse/control.c of Linux. */
#define CONFIGFS_MAGIC 0x62656570
#define FUSECTL_MAGIC 0x65735543

/* What the child sends: the step that failed and its errno, or 0 with a descriptor. */
typedef enum Step { STEP_BECOME, STEP_OPEN, STEP_SEARCH, STEP_WRITE } Step;

typedef struct Answer {
        Step step;
        int error;
} Answer;

typedef struct Request {
        const Caller *caller;
        const char *path; /* NULL: look at the directory fd instead */
        int fd;           /* -1: open the path */
        CallerOpen what;
        bool writable, switch_user;
} Request;

/*
 * The child. It is a copy of one thread of the daemon: other threads' locks may be held for ever,
 * so nothing here but system calls. setgroups() and its like are made raw, as libc's would tell the
 * other threads (there are none) of the change.
 */

/* Root's own rights to files stay with a caller that is root; nobody else keeps anything. */
static int drop_capabilities(bool is_root)
{
        struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
        struct __user_cap_data_struct data[2];
        uint32_t kept = is_root ? 1u << CAP_DAC_OVERRIDE | 1u << CAP_DAC_READ_SEARCH : 0;

        if (syscall(SYS_capget, &header, data) < 0)
                return -errno;
        data[0].permitted &= kept;
        data[0].effective = data[0].permitted;
        data[0].inheritable = 0;
        data[1] = (struct __user_cap_data_struct){};
        return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become_caller(const Request *request)
{
        const Caller *caller = request->caller;

        if (request->switch_user &&
            (syscall(SYS_setgroups, caller->n_groups, caller->groups) < 0 ||
             syscall(SYS_setresgid, caller->gid, caller->gid, caller->gid) < 0 ||
             syscall(SYS_setresuid, caller->uid, caller->uid, caller->uid) < 0))
                return -errno;
        /* This process has the caller's uid and the daemon's memory: nobody may look into it. And
         * should the daemon die, an open that hangs must not stay behind. */
        if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
            prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
                return -errno;
        return drop_capabilities(caller->uid == 0);
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
                .resolve = RESOLVE_NO_MAGICLINKS,
        };
        int fd = (int)syscall(SYS_openat2, AT_FDCWD, request->path, &how, sizeof(how));

        return fd < 0 ? -errno : fd;
}

/* Returns the fd, or -errno with answer->step told. */
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
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = {(void *)answer, sizeof(*answer)};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

        if (fd >= 0) {
                struct cmsghdr *header;

                message.msg_control = control.bytes;
                message.msg_controllen = sizeof(control.bytes);
                header = CMSG_FIRSTHDR(&message);
                header->cmsg_level = SOL_SOCKET;
                header->cmsg_type = SCM_RIGHTS;
                header->cmsg_len = CMSG_LEN(sizeof(int));
                memcpy(CMSG_DATA(header), &fd, sizeof(int));
        }
        sendmsg(sock, &message, MSG_NOSIGNAL);
}

static _Noreturn void caller_child_run(const Request *request, int sock)
{
        Answer answer = {};
        int fd;

        syscall(SYS_close_range, STDIN_FILENO, STDERR_FILENO, 0);
        fd = open_as_caller(request, &answer);
        answer.error = fd < 0 ? -fd : 0;
        send_answer(sock, &answer, request->path ? fd : -1);
        _exit(0);
}

/* A child that signals nobody when it ends, so that the daemon's own watch over its children never
 * hears of it. */
static pid_t caller_spawn(const Request *request, int sock, int *ret_pidfd)
{
        int fds[] = {sock, request->fd};
        pid_t pid = fork_bare(fds, ARRAY_SIZE(fds), 0, ret_pidfd);

        if (pid == 0) {
                Request its = *request;

                its.fd = fds[1];
                caller_child_run(&its, fds[0]);
        }
        return pid;
}

/* Ends the child, if it has not ended by itself, and reaps it. SIGKILL ends every wait for a
 * network or user-space file system; only a local disk that is dead could make this one long. */
static void caller_reap(pid_t pid, int pidfd)
{
        siginfo_t info;

        kill(pid, SIGKILL); /* until it is reaped, the pid is nobody else's */
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) < 0 && errno == EINTR)
                ;
}

static int64_t caller_now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the child's answer. Returns 0, -ETIMEDOUT, -ECHILD (it died without one) or -errno. */
static int receive_answer(int sock, Answer *ret, int *ret_fd)
{
        union {
                char bytes[CMSG_SPACE(sizeof(int))];
                struct cmsghdr align;
        } control = {};
        struct iovec iov = {ret, sizeof(*ret)};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = control.bytes,
                .msg_controllen = sizeof(control.bytes),
        };
        int64_t deadline = caller_now_msec() + CALLER_OPEN_MSEC;
        struct cmsghdr *header;
        ssize_t n;

        for (;;) {
                struct pollfd waited = {.fd = sock, .events = POLLIN};
                int64_t left = deadline - caller_now_msec();
                int r = poll(&waited, 1, left > 0 ? (int)left : 0);

                if (r > 0)
                        break;
                if (r == 0)
                        return -ETIMEDOUT;
                if (errno != EINTR)
                        return -errno;
        }
        n = recvmsg(sock, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (n < 0)
                return -errno;
        header = CMSG_FIRSTHDR(&message);
        if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS)
                memcpy(ret_fd, CMSG_DATA(header), sizeof(int));
        return n == sizeof(*ret) ? 0 : -ECHILD;
}

/* Runs the child and takes its answer; it is gone when this returns. */
static int caller_ask(const Request *request, Answer *ret, int *ret_fd)
{
        _cleanup_close_ int ours = -1, theirs = -1, pidfd = -1;
        int pair[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        ours = pair[0];
        theirs = pair[1];
        pid = caller_spawn(request, theirs, &pidfd);
        if (pid < 0)
                return pid;
        close(TAKE_FD(theirs)); /* a child that dies is then seen as the end of the stream */
        r = receive_answer(ours, ret, ret_fd);
        caller_reap(pid, pidfd);
        return r;
}

/* What is asked for, as errors name it. Newly allocated. */
static char *subject(const Request *request)
{
        char *s;

        if (!request->path)
                return strdup("the descriptor");
        return asprintf(&s, "'%s'", request->path) < 0 ? NULL : s;
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
                        error, field, "'%s' leads through a /proc link or too many symbolic links",
                        path);
        case ENXIO:
                return cvm_error_invalid_spec(
                        error, field, "'%s' is a socket or a device without a driver", path);
        default:
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

/* File systems whose files the kernel writes while they are read, for whoever reads. */
static const char *kernel_file_system(unsigned magic)
{
        static const struct {
                unsigned magic;
                const char *name;
        } file_systems[] = {
                {PROC_SUPER_MAGIC, "proc"},         {SYSFS_MAGIC, "sysfs"},
                {CGROUP_SUPER_MAGIC, "cgroup"},     {CGROUP2_SUPER_MAGIC, "cgroup2"},
                {DEBUGFS_MAGIC, "debugfs"},         {TRACEFS_MAGIC, "tracefs"},
                {SECURITYFS_MAGIC, "securityfs"},   {SELINUX_MAGIC, "selinuxfs"},
                {SMACK_MAGIC, "smackfs"},           {AAFS_MAGIC, "apparmorfs"},
                {PSTOREFS_MAGIC, "pstore"},         {EFIVARFS_MAGIC, "efivarfs"},
                {RDTGROUP_SUPER_MAGIC, "resctrl"},  {BPF_FS_MAGIC, "bpf"},
                {BINFMTFS_MAGIC, "binfmt_misc"},    {NSFS_MAGIC, "nsfs"},
                {OPENPROM_SUPER_MAGIC, "openprom"}, {XENFS_SUPER_MAGIC, "xenfs"},
                {CONFIGFS_MAGIC, "configfs"},       {FUSECTL_MAGIC, "fusectl"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(file_systems); i++)
                if (file_systems[i].magic == magic)
                        return file_systems[i].name;
        return NULL;
}

/* A directory is not content: who opens files in it does so with rights of its own. */
static int check_file_system(const Request *request, int fd, const char *what, const char *field,
                             CvmError *error)
{
        const char *name;
        struct statfs fs;

        /* those of the kernel always answer; one in user space need not know the question */
        if (request->what == CALLER_OPEN_DIRECTORY || fstatfs(fd, &fs) < 0)
                return 0;
        name = kernel_file_system((unsigned)fs.f_type);
        if (!name)
                return 0;
        return cvm_error_invalid_spec(error, field,
                                      "%s is a file on %s, whose content the kernel generates for "
                                      "each reader; use a copy of it",
                                      what, name);
}

static int check_kind(const Request *request, int fd, const char *field, CvmError *error)
{
        static const char *const wanted_names[] = {
                [CALLER_OPEN_FILE] = "a regular file",
                [CALLER_OPEN_DISK] = "a regular file or a block device",
                [CALLER_OPEN_DIRECTORY] = "a directory",
        };
        mode_t wanted = request->what == CALLER_OPEN_DIRECTORY ? S_IFDIR : S_IFREG;
        _cleanup_free_ char *what = subject(request);
        struct stat st;

        if (fstat(fd, &st) < 0)
                return cvm_error_system(error, -errno, "examine %s", what ?: "it");
        if ((st.st_mode & S_IFMT) == wanted ||
            (request->what == CALLER_OPEN_DISK && S_ISBLK(st.st_mode)))
                return check_file_system(request, fd, what ?: "it", field, error);
        return cvm_error_invalid_spec(error, field, "%s is %s, not %s", what ?: "it",
                                      caller_kind_name(st.st_mode), wanted_names[request->what]);
}

/* Has a child do what the request says, with the caller's rights. *ret_fd stays -1 where the
 * request is about a descriptor. */
static int act_as_caller(const Request *request, const char *field, int *ret_fd, CvmError *error)
{
        _cleanup_free_ char *what = subject(request);
        unsigned uid = request->caller->uid;
        Answer answer = {};
        int r;

        if (!request->switch_user && uid != geteuid())
                return cvm_error_invalid_spec(
                        error, field,
                        "cvmd runs as uid %u and cannot assume the rights of uid %u to open %s",
                        (unsigned)geteuid(), uid, what ?: "it");
        r = caller_ask(request, &answer, ret_fd);
        if (r == -ETIMEDOUT)
                return cvm_error_invalid_spec(error, field, "opening %s took more than %d ms",
                                              what ?: "it", CALLER_OPEN_MSEC);
        if (r < 0)
                return cvm_error_system(error, r, "open %s with the rights of uid %u", what ?: "it",
                                        uid);
        if (answer.error)
                return caller_refuse(request, &answer, field, error);
        return 0;
}

int caller_open(const Caller *caller, const char *path, CallerOpen what, bool writable,
                const char *field, int *ret, CvmError *error)
{
        Request request = {
                .caller = caller,
                .path = path,
                .fd = -1,
                .what = what,
                .writable = writable,
                .switch_user = geteuid() == 0,
        };
        _cleanup_close_ int fd = -1;
        int r;

        if (path[0] != '/')
                return cvm_error_invalid_spec(error, field, "'%s' is not an absolute path", path);
        r = act_as_caller(&request, field, &fd, error);
        if (r < 0)
                return r;
        if (fd < 0)
                return cvm_error_system(error, -EPROTO, "open '%s'", path);
        r = check_kind(&request, fd, field, error);
        if (r < 0)
                return r;
        if (fcntl(fd, F_SETFL, 0) < 0) /* O_NONBLOCK was for the open alone */
                return cvm_error_system(error, -errno, "open '%s'", path);
        *ret = TAKE_FD(fd);
        return 0;
}

int caller_check_fd(const Caller *caller, int fd, CallerOpen what, bool writable, const char *field,
                    CvmError *error)
{
        Request request = {
                .caller = caller,
                .fd = fd,
                .what = what,
                .writable = writable,
                .switch_user = geteuid() == 0,
        };
        int flags = fcntl(fd, F_GETFL), none = -1, r;

        if (flags < 0)
                return cvm_error_system(error, -errno, "examine a descriptor");
        r = check_kind(&request, fd, field, error);
        if (r < 0)
                return r;
        if (what == CALLER_OPEN_DIRECTORY)
                return act_as_caller(&request, field, &none, error);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/companion.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/handles.h"
#include "base/json.h"
#include "base/process.h"
#include "base/socket.h"
#include "base/text.h"
#include "base/tree.h"
#include "driver/child.h"
#include "driver/driver.h"
#include "wire/stream.h"

#define SOCKET_NAME "socket"
#define POLL_MSEC 10u /* between looks for a socket */

typedef struct Companion {
        Companions *set;
        char *name;
        PlanMeeting meeting;
        uid_t uid;
        gid_t gid;
        Child child;
        uint64_t start_time;
        bool own_child; /* not adopted: its exit status is ours to reap */
        bool gone;
        uv_poll_t exit_poll;
        bool exit_poll_open;
        Stream output;
        Buffer tail;      /* of its output: the last CHILD_TAIL_BYTES */
        int directory_fd; /* until the socket is connected */
        int socket_fd;    /* the hypervisor's end, or -1 */
        int own_fd;       /* the companion's end of a pair until it has it, or -1 */
} Companion;

struct Companions {
        uv_loop_t *loop;
        const CompanionCallbacks *callbacks;
        void *userdata;
        Companion items[PLAN_COMPANIONS_MAX];
        size_t n;
        uv_timer_t timer; /* looks for sockets, then reports a failure */
        Handles handles;  /* the timer's is open until it is closed */
        bool closed, failed, connects;
        uint32_t socket_sec;
        uint64_t deadline; /* loop time; of the sockets */
        char *reason;      /* of the first failure */
        Companion *culprit;
};

static void companion_drop_fd(int *fd)
{
        if (*fd >= 0)
                close(TAKE_FD(*fd));
}

static void companions_free(void *owner)
{
        Companions *set = owner;

        for (size_t i = 0; i < set->n; i++) {
                Companion *companion = &set->items[i];

                companion_drop_fd(&companion->child.pidfd);
                companion_drop_fd(&companion->child.go_fd);
                companion_drop_fd(&companion->directory_fd);
                companion_drop_fd(&companion->socket_fd);
                companion_drop_fd(&companion->own_fd);
                buffer_done(&companion->tail);
                free(companion->name);
        }
        free(set->reason);
        free(set);
}

static void on_timer_closed(uv_handle_t *handle)
{
        Companions *set = handle->data;

        handles_closed(&set->handles);
}

static void on_poll_closed(uv_handle_t *handle)
{
        Companion *companion = handle->data;

        handles_closed(&companion->set->handles);
}

static void on_output(Stream *stream, const char *data, size_t size)
{
        Companion *companion = stream->userdata;

        (void)buffer_append_last(&companion->tail, data, size, CHILD_TAIL_BYTES);
}

static void on_output_closed(Stream *stream)
{
        Companion *companion = stream->userdata;

        handles_closed(&companion->set->handles);
}

static const StreamCallbacks output_callbacks = {on_output, on_output_closed};

static Companions *companions_new(uv_loop_t *loop, const CompanionCallbacks *callbacks,
                                  void *userdata)
{
        Companions *set = calloc(1, sizeof(*set));

        if (!set)
                return NULL;
        set->loop = loop;
        set->callbacks = callbacks;
        set->userdata = userdata;
        uv_timer_init(loop, &set->timer);
        set->timer.data = set;
        handles_init(&set->handles, 1, companions_free, set);
        return set;
}

static Companion *companion_add(Companions *set, const char *name)
{
        Companion *companion = &set->items[set->n];

        *companion = (Companion){
                .set = set,
                .name = strdup(name),
                .child = {.pidfd = -1, .go_fd = -1},
                .output = {.fd = -1},
                .directory_fd = -1,
                .socket_fd = -1,
                .own_fd = -1,
        };
        if (!companion->name)
                return NULL;
        set->n++;
        return companion;
}

static void on_failure_due(uv_timer_t *timer)
{
        Companions *set = timer->data;

        /* its last words may have come after its end was seen */
        stream_finish(&set->culprit->output);
        set->callbacks->failed(set->reason ?: "out of memory", buffer_trim_end(&set->culprit->tail),
                               set->userdata);
}

/* Only the first failure is reported, from the loop. */
static void fail(Companions *set, Companion *culprit, char *reason, uint64_t msec)
{
        if (set->failed || set->closed) {
                free(reason);
                return;
        }
        set->failed = true;
        set->reason = reason;
        set->culprit = culprit;
        uv_timer_start(&set->timer, on_failure_due, msec, 0);
}

/* How it ended; *ret_clean: with code 0. NULL: no memory. */
static char *describe_end(const Companion *companion, bool *ret_clean)
{
        siginfo_t info = {};
        char *text;

        if (!companion->own_child ||
            waitid(P_PIDFD, (id_t)companion->child.pidfd, &info, WEXITED) < 0)
                text = text_format("%s ended", companion->name);
        else if (info.si_code == CLD_EXITED)
                text = text_format("%s exited with code %d", companion->name, info.si_status);
        else
                text = text_format("%s was ended by signal %d", companion->name, info.si_status);
        /* the status of an adopted one is not known */
        *ret_clean =
                info.si_code != CLD_KILLED && info.si_code != CLD_DUMPED && info.si_status == 0;
        return text;
}

static uint64_t grace_msec(const Companions *set)
{
        return set->connects ? COMPANION_GRACE_ELSEWHERE_MSEC : COMPANION_GRACE_MSEC;
}

static void on_gone(uv_poll_t *poll, int status, int events)
{
        Companion *companion = poll->data;
        bool clean;
        char *reason = describe_end(companion, &clean);

        companion->gone = true;
        companion->exit_poll_open = false;
        uv_close((uv_handle_t *)poll, on_poll_closed);
        fail(companion->set, companion, reason, clean ? grace_msec(companion->set) : 0);
}

static int companion_watch_exit(Companion *companion)
{
        int r = uv_poll_init(companion->set->loop, &companion->exit_poll, companion->child.pidfd);

        if (r < 0)
                return r;
        companion->exit_poll.data = companion;
        companion->exit_poll_open = true;
        handles_add(&companion->set->handles);
        return uv_poll_start(&companion->exit_poll, UV_READABLE, on_gone);
}

/* Reads its output by the pipe's name. */
static int watch_output(Companion *companion, int runtime_dirfd, const char *pipe)
{
        int fd = openat(runtime_dirfd, pipe, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC), r;

        if (fd < 0)
                return -errno;
        r = stream_open(companion->set->loop, &companion->output, fd, &output_callbacks, companion);
        if (r == 0)
                handles_add(&companion->set->handles);
        return r;
}

/* Makes the pipe; *ret: the end for the companion, which does not block. */
static int make_output(Companion *companion, int runtime_dirfd, int *ret)
{
        _cleanup_free_ char *pipe = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        pipe = text_format("%s.out", companion->name);
        if (!pipe) {
                return -ENOMEM;
        }
        if (unlinkat(runtime_dirfd, pipe, 0) < 0 && errno != ENOENT)
                return -errno;
        if (mkfifoat(runtime_dirfd, pipe, 0600) < 0)
                return -errno;
        fd = openat(runtime_dirfd, pipe, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        r = watch_output(companion, runtime_dirfd, pipe);
        if (r == 0)
                *ret = TAKE_FD(fd);
        return r;
}

static int companion_make_directory(Companion *companion, int runtime_dirfd)
{
        _cleanup_free_ char *name = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        name = text_format("%s.d", companion->name);
        if (!name) {
                return -ENOMEM;
        }
        r = tree_remove_at(runtime_dirfd, name); /* of a try before this one */
        if (r < 0)
                return r;
        if (mkdirat(runtime_dirfd, name, 0700) < 0)
                return -errno;
        fd = openat(runtime_dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || (companion->uid && fchown(fd, companion->uid, companion->gid) < 0))
                return -errno;
        companion->directory_fd = TAKE_FD(fd);
        return 0;
}

static int make_pair(Companion *companion)
{
        int pair[2];

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
                return -errno;
        companion->socket_fd = pair[0];
        companion->own_fd = pair[1];
        return 0;
}

static int companion_spawn(Companion *companion, const LaunchPlan *command, int output)
{
        ChildFd fds[2];
        ChildSpawn child = {
                .argv = command->argv,
                .fds = fds,
                .output_fd = output,
                .switch_ids = companion->uid != 0,
                .uid = companion->uid,
                .gid = companion->gid,
        };
        int r;

        for (size_t i = 0; i < command->n_descriptors && i < ARRAY_SIZE(fds); i++) {
                const PlanDescriptor *descriptor = &command->descriptors[i];
                bool directory = strcmp(descriptor->what, PLAN_COMPANION_DIRECTORY) == 0;

                fds[child.n_fds++] =
                        (ChildFd){.fd = directory ? companion->directory_fd : companion->own_fd,
                                  .number = descriptor->number};
        }
        r = child_spawn(&child, &companion->child);
        if (r < 0)
                return r;
        companion->own_child = true;
        companion_drop_fd(&companion->own_fd);
        return process_start_time(companion->child.pid, &companion->start_time);
}

static int start_one(Companion *companion, const LaunchPlan *command, int runtime_dirfd)
{
        _cleanup_close_ int output = -1;
        int r = companion_make_directory(companion, runtime_dirfd);

        if (r == 0)
                r = make_output(companion, runtime_dirfd, &output);
        if (r == 0 && companion->meeting == PLAN_MEETING_PAIR)
                r = make_pair(companion);
        if (r == 0)
                r = companion_spawn(companion, command, output);
        return r < 0 ? r : companion_watch_exit(companion);
}

int companions_start(uv_loop_t *loop, const CompanionsStart *start,
                     const CompanionCallbacks *callbacks, void *userdata, Companions **ret,
                     CvmError *error)
{
        Companions *set = companions_new(loop, callbacks, userdata);

        if (!set)
                return cvm_error_system(error, -ENOMEM, "start companions");
        set->socket_sec = start->socket_sec;
        set->connects = start->connects;
        for (size_t i = 0; i < start->plan->n_companions; i++) {
                const PlanCompanion *plan = &start->plan->companions[i];
                Companion *companion = companion_add(set, plan->name);
                int r = -ENOMEM;

                if (companion) {
                        companion->meeting = plan->meeting;
                        companion->uid = start->uid;
                        companion->gid = start->gid;
                        r = start_one(companion, plan->command, start->runtime_dirfd);
                }
                if (r < 0) {
                        companions_end(set);
                        return cvm_error_system(error, r, "start %s", plan->name);
                }
        }
        *ret = set;
        return 0;
}

/* The socket in the companion's directory (O_PATH). What is found there is the companion's doing:
 * only a socket of its own uid will do, never what a link leads to. */
static int open_own(const Companion *companion)
{
        _cleanup_close_ int path =
                openat(companion->directory_fd, SOCKET_NAME, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;

        if (path < 0 || fstat(path, &st) < 0)
                return -errno;
        return S_ISSOCK(st.st_mode) && st.st_uid == (companion->uid ?: geteuid()) ? TAKE_FD(path)
                                                                                  : -ENOTSOCK;
}

static int connect_own(const Companion *companion)
{
        _cleanup_close_ int path = open_own(companion), fd = -1;
        struct sockaddr_un address;
        int flags, r;

        if (path < 0)
                return path;
        r = socket_address_at(path, NULL, &address);
        if (r < 0)
                return r;
        fd = socket_connect(&address, SOCK_NONBLOCK);
        if (fd < 0)
                return fd;
        flags = fcntl(fd, F_GETFL);
        if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void on_look(uv_timer_t *timer)
{
        Companions *set = timer->data;

        for (size_t i = 0; i < set->n; i++) {
                Companion *companion = &set->items[i];
                char *reason = NULL;

                if (companion->socket_fd >= 0 || companion->meeting == PLAN_MEETING_NONE)
                        continue;
                /* one that takes a single client keeps its place for the hypervisor */
                companion->socket_fd = set->connects ? open_own(companion) : connect_own(companion);
                if (companion->socket_fd >= 0)
                        continue;
                if (uv_now(set->loop) < set->deadline) {
                        uv_timer_start(&set->timer, on_look, POLL_MSEC, 0);
                        return;
                }
                reason = text_format("%s did not open its socket within %u s", companion->name,
                                     set->socket_sec);
                fail(set, companion, reason, 0);
                return;
        }
        for (size_t i = 0; i < set->n; i++)
                companion_drop_fd(&set->items[i].directory_fd);
        set->callbacks->ready(set->userdata);
}

int companions_go(Companions *set)
{
        for (size_t i = 0; i < set->n; i++) {
                int r = child_go(&set->items[i].child);

                if (r < 0)
                        return r;
        }
        uv_update_time(set->loop);
        set->deadline = uv_now(set->loop) + (uint64_t)set->socket_sec * 1000;
        uv_timer_start(&set->timer, on_look, 0, 0);
        return 0;
}

int companions_fd(const Companions *set, const char *what)
{
        for (size_t i = 0; set && i < set->n; i++)
                if (strncmp(what, "companion:", 10) == 0 &&
                    strcmp(what + 10, set->items[i].name) == 0)
                        return set->items[i].socket_fd;
        return -1;
}

void companions_release_fds(Companions *set)
{
        for (size_t i = 0; set && i < set->n; i++)
                companion_drop_fd(&set->items[i].socket_fd);
}

void companions_save(const Companions *set, json_object *record)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < set->n; i++) {
                const Companion *companion = &set->items[i];

                json_object_array_add(
                        array, json_build("name", json_new_text(companion->name), "pid",
                                          json_object_new_int64(companion->child.pid), "startTime",
                                          json_object_new_uint64(companion->start_time), NULL));
        }
        json_object_object_add(record, "companions", array);
}

static int adopt_one(Companion *companion, json_object *item, int runtime_dirfd)
{
        _cleanup_free_ char *pipe = NULL, *reason = NULL;
        int64_t pid = json_member_int(item, "pid", 0);
        int r;

        companion->start_time = (uint64_t)json_member_int(item, "startTime", 0);
        companion->child.pid = (pid_t)pid;
        r = pid > 1 && pid <= INT32_MAX ? process_open_verified((pid_t)pid, companion->start_time)
                                        : -ESRCH;
        if (driver_is_shortage(r))
                return r;
        pipe = text_format("%s.out", companion->name);
        if (!pipe) {
                return -ENOMEM;
        }
        if (r < 0) {
                companion->gone = true;
                reason = text_format("%s ended while the daemon was away", companion->name);
                fail(companion->set, companion, TAKE_PTR(reason),
                     companion->set->connects ? grace_msec(companion->set) : 0);
                return 0;
        }
        companion->child.pidfd = r;
        r = watch_output(companion, runtime_dirfd, pipe);
        if (driver_is_shortage(r))
                return r;
        return companion_watch_exit(companion);
}

int companions_adopt(uv_loop_t *loop, json_object *record, int runtime_dirfd, bool connects,
                     const CompanionCallbacks *callbacks, void *userdata, Companions **ret)
{
        json_object *array = json_member(record, "companions");
        size_t n =
                json_object_is_type(array, json_type_array) ? json_object_array_length(array) : 0;
        Companions *set;
        int r = 0;

        if (n == 0)
                return 0;
        set = companions_new(loop, callbacks, userdata);
        if (!set)
                return -ENOMEM;
        set->connects = connects;
        for (size_t i = 0; r == 0 && i < n && i < PLAN_COMPANIONS_MAX; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                Companion *companion =
                        companion_add(set, json_member_string(item, "name") ?: "companion");

                r = companion ? adopt_one(companion, item, runtime_dirfd) : -ENOMEM;
        }
        if (r < 0) {
                companions_close(set);
                return r;
        }
        *ret = set;
        return 0;
}

/* Keeps what waits for a process only while that is to be reaped. */
static void let_go(Companions *set, bool wait)
{
        set->closed = true;
        uv_close((uv_handle_t *)&set->timer, on_timer_closed);
        for (size_t i = 0; i < set->n; i++) {
                Companion *companion = &set->items[i];

                stream_close(&companion->output);
                companion_drop_fd(&companion->child.go_fd);
                companion_drop_fd(&companion->socket_fd);
                if (companion->exit_poll_open && !wait) {
                        companion->exit_poll_open = false;
                        uv_close((uv_handle_t *)&companion->exit_poll, on_poll_closed);
                }
        }
}

void companions_end(Companions *set)
{
        if (!set)
                return;
        for (size_t i = 0; i < set->n; i++) {
                Companion *companion = &set->items[i];

                if (companion->child.pidfd < 0 || companion->gone)
                        continue;
                process_signal(companion->child.pidfd, SIGKILL);
                /* one that a shortage left unwatched cannot be reaped later */
                if (companion->own_child && !companion->exit_poll_open)
                        waitid(P_PIDFD, (id_t)companion->child.pidfd, &(siginfo_t){}, WEXITED);
        }
        let_go(set, true);
}

void companions_close(Companions *set)
{
        if (set)
                let_go(set, false);
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A WireServer with a few methods, and a scripted peer at the other end of a socketpair. */

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/text.h"
#include "loop.h"
#include "wire/manager.h"
#include "wire/server.h"

typedef struct Wire {
        TestLoop test;
        WireServer *server;
        WireCall *held[32]; /* by t.Hold, references */
        size_t n_held, n_calls, n_gone, n_drained;
        size_t stream_left, stream_stalls; /* of t.Stream */
        int taken_fd;                      /* by t.Upgrade; -2: not yet */
        WireSeat *seat;                    /* its place; freed by the next one or the end */
        char *early;                       /* bytes that came with it */
        size_t n_early;
} Wire;

static inline int wire_echo(WireCall *call, json_object *parameters, void *userdata,
                            CvmError *error)
{
        Wire *w = userdata;

        w->n_calls++;
        wire_call_reply(call, json_object_get(parameters));
        return 0;
}

static inline void wire_count_gone(WireCall *call, void *userdata)
{
        Wire *w = userdata;

        w->n_gone++;
}

/* Stays in work until the test ends it. */
static inline int wire_hold(WireCall *call, json_object *parameters, void *userdata,
                            CvmError *error)
{
        Wire *w = userdata;

        w->n_calls++;
        assert_true(w->n_held < ARRAY_SIZE(w->held));
        w->held[w->n_held++] = wire_call_ref(call);
        wire_call_on_gone(call, wire_count_gone, w);
        return 0;
}

static inline WireCall *wire_release(Wire *w)
{
        WireCall *call = w->held[0];

        assert_true(w->n_held > 0);
        memmove(w->held, w->held + 1, --w->n_held * sizeof(w->held[0]));
        return call;
}

/* 64 KiB a reply, stream_left times, pausing while the client is congested. */
static inline void wire_stream_more(WireCall *call, void *userdata)
{
        Wire *w = userdata;
        static char block[65536];

        w->n_drained++;
        memset(block, 'x', sizeof(block) - 1);
        while (w->stream_left > 0) {
                if (wire_call_is_congested(call)) {
                        w->stream_stalls++;
                        wire_call_on_drained(call, wire_stream_more, w);
                        return;
                }
                w->stream_left--;
                wire_call_continue(call, json_build("x", json_object_new_string(block), NULL));
        }
        w->n_held = 0;
        wire_call_reply(call, NULL);
        wire_call_unref(call);
}

static inline int wire_stream(WireCall *call, json_object *parameters, void *userdata,
                              CvmError *error)
{
        Wire *w = userdata;

        w->held[w->n_held++] = wire_call_ref(call);
        wire_call_on_gone(call, wire_count_gone, w);
        wire_stream_more(call, w);
        return 0;
}

static inline void wire_taken(int fd, WireSeat *seat, const char *early, size_t n_early,
                              void *userdata)
{
        Wire *w = userdata;

        assert_int_equal(w->taken_fd, -2);
        w->taken_fd = fd;
        wire_seat_free(w->seat);
        w->seat = seat;
        w->early = malloc(n_early + 1);
        memcpy(w->early, early, n_early);
        w->n_early = n_early;
}

static inline int wire_upgrade(WireCall *call, json_object *parameters, void *userdata,
                               CvmError *error)
{
        wire_call_upgrade(call, wire_taken, userdata);
        return 0;
}

/* Takes as many descriptors as the parameters say, and closes them; answers how many there were. */
static inline int wire_fds(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        int64_t take = json_member_int(parameters, "take", 0), n;

        for (n = 0; n < take; n++) {
                int fd = wire_call_take_fd(call, (size_t)n);

                if (fd < 0)
                        break;
                assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
                assert_int_equal(wire_call_take_fd(call, (size_t)n), -1);
                close(fd);
        }
        wire_call_reply(call, json_build("taken", json_object_new_int64(n), NULL));
        return 0;
}

/* Closes the server from within a call. */
static inline int wire_close(WireCall *call, json_object *parameters, void *userdata,
                             CvmError *error)
{
        Wire *w = userdata;

        wire_call_on_gone(call, wire_count_gone, w);
        wire_server_close(TAKE_PTR(w->server));
        wire_call_reply(call, NULL);
        return 0;
}

static inline int wire_fail(WireCall *call, json_object *parameters, void *userdata,
                            CvmError *error)
{
        return cvm_error_no_such_cvm(error, "web\"1", NULL);
}

/* Fails without saying why. */
static inline int wire_fail_bare(WireCall *call, json_object *parameters, void *userdata,
                                 CvmError *error)
{
        return -ENOSPC;
}

static const WireMethod wire_methods[] = {
        {"t.Echo", wire_echo, 0, WIRE_MESSAGE_MAX},
        {"t.Hold", wire_hold},
        {"t.Stream", wire_stream, WIRE_METHOD_NEEDS_MORE},
        {"t.Upgrade", wire_upgrade, WIRE_METHOD_NEEDS_UPGRADE},
        {"t.Fds", wire_fds, 0, WIRE_MESSAGE_MAX},
        {"t.HoldUpgrade", wire_hold, WIRE_METHOD_NEEDS_UPGRADE},
        {"t.Close", wire_close},
        {"t.Fail", wire_fail},
        {"t.FailBare", wire_fail_bare},
        {},
};

static inline Wire *wire_start_methods(const WireMethod *methods)
{
        static const WireServerInfo info = {"cvmd", "test", "1", "https://example.com"};
        static WireInterface interfaces[2];
        Wire *w = calloc(1, sizeof(*w));

        interfaces[0] = (WireInterface){"t", "interface t\n", methods, "1.2"};
        interfaces[1] = (WireInterface){"io.cvmd.Manager", wire_manager_interface,
                                        wire_methods + ARRAY_SIZE(wire_methods) - 1};
        w->taken_fd = -2;
        test_loop_init(&w->test);
        assert_int_equal(wire_server_new(&w->test.loop, &info, interfaces, 2, w, &w->server), 0);
        return w;
}

static inline Wire *wire_start(void)
{
        return wire_start_methods(wire_methods);
}

/* Bytes of memory that this process has. */
static inline size_t wire_resident(void)
{
        FILE *f = fopen("/proc/self/statm", "re");
        size_t total, resident;

        assert_non_null(f);
        assert_int_equal(fscanf(f, "%zu %zu", &total, &resident), 2);
        fclose(f);
        return resident * 4096;
}

/* Closes the server and asserts that nothing is left. */
static inline void wire_stop(Wire *w)
{
        wire_server_close(w->server);
        while (w->n_held)
                wire_call_unref(wire_release(w));
        free(w->early);
        test_loop_finish(&w->test);
        wire_seat_free(w->seat);
        free(w);
}

static inline int wire_connect(Wire *w)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(wire_server_add_connection(w->server, fds[1]), 0);
        return fds[0];
}

static inline void wire_send_bytes(Wire *w, int fd, const char *data, size_t size)
{
        while (size) {
                ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0) {
                        if (errno == EPIPE || errno == ECONNRESET)
                                return;
                        assert_int_equal(errno, EAGAIN);
                        test_loop_turn(&w->test);
                        continue;
                }
                data += n;
                size -= (size_t)n;
        }
}

/* Sends a message with its NUL byte. */
static inline void wire_send(Wire *w, int fd, const char *text)
{
        wire_send_bytes(w, fd, text, strlen(text) + 1);
}

static inline void wire_send_fds(int fd, const char *data, size_t size, const int *fds, size_t n)
{
        char control[CMSG_SPACE(sizeof(int) * 253)] __attribute__((aligned(8))) = {};
        struct iovec iov = {(char *)data, size};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
        assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), size);
}

/* The next message, or NULL at the end of the stream; to be freed. */
static inline char *wire_receive(Wire *w, int fd)
{
        Buffer buffer = {};
        int64_t end = test_now_msec() + TEST_LOOP_MSEC;

        for (;;) {
                char c[65536];
                ssize_t n = recv(fd, c, sizeof(c), MSG_PEEK | MSG_DONTWAIT);

                if (n > 0) {
                        char *nul = memchr(c, 0, (size_t)n);

                        n = recv(fd, c, nul ? (size_t)(nul - c + 1) : (size_t)n, 0);
                        assert_int_equal(buffer_append(&buffer, c, (size_t)n), 0);
                        if (nul)
                                return buffer_take(&buffer);
                } else if (n == 0 || errno != EAGAIN) {
                        assert_int_equal(buffer.size, 0);
                        buffer_done(&buffer);
                        return NULL;
                } else {
                        test_loop_turn(&w->test);
                }
                if (test_now_msec() > end)
                        fail_msg("no message came");
        }
}

static inline void wire_expect(Wire *w, int fd, const char *text)
{
        _cleanup_free_ char *message = wire_receive(w, fd);

        assert_non_null(message);
        assert_string_equal(message, text);
}

static inline void wire_expect_end(Wire *w, int fd)
{
        _cleanup_free_ char *message = wire_receive(w, fd);

        assert_null(message);
}

static inline void wire_exchange(Wire *w, int fd, const char *call, const char *reply)
{
        wire_send(w, fd, call);
        wire_expect(w, fd, reply);
}

/* That the server serves others. */
static inline void wire_check_alive(Wire *w)
{
        int fd = wire_connect(w);

        wire_exchange(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{\"a\":1}}",
                      "{\"parameters\":{\"a\":1}}");
        close(fd);
}

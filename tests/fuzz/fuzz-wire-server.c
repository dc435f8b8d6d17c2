/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Whatever a client sends, a WireServer answers with Varlink replies alone, ends each call once and
 * leaves nothing behind. The first byte of the input says in pieces of which size the rest is sent.
 */

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "wire/message.h"
#include "wire/server.h"

typedef struct Fuzz {
        WireCall *held;
        unsigned n_gone;
        Buffer replies;
        bool raw; /* upgraded: what follows is not Varlink */
} Fuzz;

static int on_echo(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        int fd = wire_call_take_fd(call, 0);

        if (fd >= 0)
                close(fd);
        wire_call_reply(call, json_object_get(parameters));
        return 0;
}

static void on_gone(WireCall *call, void *userdata)
{
        Fuzz *fuzz = userdata;

        if (++fuzz->n_gone > 1)
                abort();
}

static int on_hold(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Fuzz *fuzz = userdata;

        if (fuzz->held) /* one call in work at a time */
                abort();
        fuzz->held = wire_call_ref(call);
        wire_call_on_gone(call, on_gone, fuzz);
        return 0;
}

static int on_stream(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        for (int i = 0; i < 3; i++)
                wire_call_continue(call, json_object_get(parameters));
        wire_call_reply(call, NULL);
        return 0;
}

static void on_taken(int fd, WireSeat *seat, const char *early, size_t n_early, void *userdata)
{
        Fuzz *fuzz = userdata;

        fuzz->raw = true;
        wire_seat_free(seat);
        if (fd < 0)
                return;
        if (write(fd, early, n_early) < 0 && errno != EPIPE)
                abort();
        close(fd);
}

static int on_upgrade(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        wire_call_upgrade(call, on_taken, userdata);
        return 0;
}

static const WireMethod methods[] = {
        {"t.Echo", on_echo, 0, 65536},
        {"t.Hold", on_hold},
        {"t.Stream", on_stream, WIRE_METHOD_NEEDS_MORE},
        {"t.Upgrade", on_upgrade, WIRE_METHOD_NEEDS_UPGRADE},
        {},
};

static void end_held(Fuzz *fuzz)
{
        WireCall *call = TAKE_PTR(fuzz->held);

        if (!call)
                return;
        if (wire_call_wants_more(call))
                wire_call_continue(call, NULL);
        wire_call_reply(call, NULL);
        wire_call_unref(call);
}

/* One turn of the loop, and what the server says. Returns false at its end. */
static bool turn(uv_loop_t *loop, Fuzz *fuzz, int fd)
{
        char data[65536];
        ssize_t n;

        uv_run(loop, UV_RUN_NOWAIT);
        end_held(fuzz);
        n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
        if (n > 0 && buffer_append(&fuzz->replies, data, (size_t)n) < 0)
                abort();
        return n > 0 || (n < 0 && errno == EAGAIN);
}

static void check_replies(const Fuzz *fuzz)
{
        const char *at = fuzz->replies.data;
        size_t left = fuzz->replies.size;

        while (left) {
                _cleanup_(wire_message_reply_done) WireMessageReply reply = {};
                const char *nul = memchr(at, 0, left);

                if (!nul || wire_message_parse_reply(at, (size_t)(nul - at), &reply) < 0) {
                        if (fuzz->raw)
                                return;
                        abort();
                }
                left -= (size_t)(nul - at) + 1;
                at = nul + 1;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const WireServerInfo info = {"v", "p", "1", "u"};
        static const WireInterface interface = {"t", "interface t\n", methods};
        Fuzz fuzz = {};
        WireServer *server;
        uv_loop_t loop;
        size_t piece;
        bool open = true;
        int fds[2];

        if (size < 2)
                return 0;
        piece = data[0] ? data[0] : 65536;
        data++, size--;
        if (uv_loop_init(&loop) < 0 ||
            wire_server_new(&loop, &info, &interface, 1, &fuzz, &server) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
            wire_server_add_connection(server, fds[1]) < 0)
                abort();

        while (size && open) {
                ssize_t n = send(fds[0], data, size < piece ? size : piece, MSG_NOSIGNAL);

                if (n > 0)
                        data += n, size -= (size_t)n;
                open = turn(&loop, &fuzz, fds[0]);
        }
        shutdown(fds[0], SHUT_WR);
        while (open)
                open = turn(&loop, &fuzz, fds[0]);
        close(fds[0]);
        check_replies(&fuzz);

        wire_server_close(server);
        end_held(&fuzz);
        uv_run(&loop, UV_RUN_DEFAULT);
        if (uv_loop_close(&loop) < 0)
                abort();
        buffer_done(&fuzz.replies);
        return 0;
}

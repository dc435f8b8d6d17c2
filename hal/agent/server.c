/* SPDX-License-Identifier: Apache-2.0 */
#include "server.h"

#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define SERVER_TLS_BYTE 0x16 /* a handshake record, RFC 8446, 5.1 */

typedef struct Client {
        int fd; /* -1: free */
        Buffer in, out;
        size_t sent;   /* of out */
        bool speaks;   /* plain lines: its first byte was not one of TLS */
        bool ended;    /* sends no more: what is left in `in` is a last line */
        bool leaving;  /* is dropped once `out` is sent */
        int64_t alive; /* when it last sent or read something */
} Client;

typedef struct Server {
        const ServerHandler *handler;
        Client clients[SERVER_CLIENTS_MAX];
} Server;

static int64_t now_msec(void)
{
        struct timespec ts;

        clock_gettime(CLOCK_MONOTONIC, &ts);
        return ts.tv_sec * INT64_C(1000) + ts.tv_nsec / 1000000;
}

int server_listen(uint16_t port)
{
        struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
        struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(port)};
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        int one = 1, zero = 0, r;

        if (fd < 0)
                fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        else if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) < 0)
                return -errno;
        else
                address4.sin_family = AF_UNSPEC;
        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0)
                return -errno;
        r = address4.sin_family == AF_INET
                    ? bind(fd, (struct sockaddr *)&address4, sizeof(address4))
                    : bind(fd, (struct sockaddr *)&address, sizeof(address));
        if (r < 0 || listen(fd, SOMAXCONN) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static void client_drop(Client *client)
{
        if (client->fd >= 0)
                close(client->fd);
        buffer_done(&client->in);
        buffer_done(&client->out);
        *client = (Client){.fd = -1};
}

static void server_accept(Server *server, int listener)
{
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        Client *place = NULL;

        if (fd < 0)
                return;
        for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++) {
                Client *client = server->clients + i;

                if (client->fd < 0) {
                        place = client;
                        break;
                }
                if (!place || client->alive < place->alive)
                        place = client;
        }
        client_drop(place);
        place->fd = fd;
        place->alive = now_msec();
}

/* Takes the next whole line out of `in` and answers it. Returns 1, 0 if there is none, -errno. */
static int client_next(const ServerHandler *handler, Client *client)
{
        char *end = client->in.size ? memchr(client->in.data, '\n', client->in.size) : NULL;
        size_t size = end ? (size_t)(end - client->in.data) : client->in.size;
        int r;

        if (size > handler->line_max) {
                client->leaving = true;
                r = handler->too_long(handler->userdata, &client->out);
                return r < 0 ? r : 1;
        }
        if (!end && (!client->ended || size == 0))
                return 0;
        r = handler->answer(handler->userdata, client->in.data, size, &client->out);
        buffer_consume(&client->in, end ? size + 1 : size);
        return r < 0 ? r : 1;
}

/* Sends what is there to be sent. Returns 1 if all of it went, 0 if the client must read first. */
static int client_send(Client *client)
{
        while (client->sent < client->out.size) {
                ssize_t n = send(client->fd, client->out.data + client->sent,
                                 client->out.size - client->sent, MSG_NOSIGNAL);

                if (n < 0)
                        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
                client->sent += (size_t)n;
                client->alive = now_msec();
        }
        buffer_done(&client->out);
        client->sent = 0;
        return 1;
}

/* Answers one line a turn, so that one client's many lines do not keep the others waiting. */
static int client_turn(const ServerHandler *handler, Client *client)
{
        int r = client_send(client);

        if (r <= 0)
                return r;
        if (client->leaving)
                return -ECONNRESET;
        r = client_next(handler, client);
        if (r == 0 && client->ended)
                return -ECONNRESET;
        return r <= 0 ? r : client_send(client);
}

/* Looks at the first byte, which stays where it is. Returns 0 for a client of lines or one that has
 * sent nothing, or -errno: it goes. */
static int client_greet(const ServerHandler *handler, Client *client)
{
        char first;
        ssize_t n = recv(client->fd, &first, 1, MSG_PEEK);

        if (n <= 0)
                return n == 0 || errno == EAGAIN || errno == EINTR ? 0 : -errno;
        client->speaks = first != SERVER_TLS_BYTE;
        if (!client->speaks && handler->tls)
                handler->tls(handler->tls_userdata, client->fd);
        return client->speaks ? 0 : -ECONNRESET;
}

static int client_receive(const ServerHandler *handler, Client *client)
{
        char chunk[16384];
        ssize_t n = recv(client->fd, chunk, sizeof(chunk), 0);

        if (n < 0)
                return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        if (n == 0)
                client->ended = true;
        else
                client->alive = now_msec();
        return n > 0 ? buffer_append(&client->in, chunk, (size_t)n) : 0;
}

/* Whether there is a whole line, or the end of one that is too long, to be answered. */
static bool client_has_line(const ServerHandler *handler, const Client *client)
{
        return client->in.size > handler->line_max || client->ended ||
               (client->in.size && memchr(client->in.data, '\n', client->in.size));
}

static short client_events(const ServerHandler *handler, const Client *client)
{
        if (client->out.size > client->sent)
                return POLLOUT;
        return client_has_line(handler, client) ? POLLOUT : POLLIN;
}

static void client_serve(const ServerHandler *handler, Client *client, short events)
{
        int r = 0;

        if (events & POLLIN && !client->speaks)
                r = client_greet(handler, client);
        if (r == 0 && events & POLLIN)
                r = client_receive(handler, client);
        else if (r == 0 && events & (POLLERR | POLLHUP | POLLNVAL) && !(events & POLLOUT))
                r = -ECONNRESET;
        if (r == 0 && (events & (POLLIN | POLLOUT)))
                r = client_turn(handler, client);
        if (r < 0 || now_msec() - client->alive > SERVER_IDLE_MSEC)
                client_drop(client);
}

int server_run(int listener, int stop, const ServerHandler *handler)
{
        struct pollfd polled[SERVER_CLIENTS_MAX + 2];
        Server server = {.handler = handler};
        int r = 0;

        for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
                server.clients[i].fd = -1;
        while (r == 0) {
                for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
                        polled[i] = (struct pollfd){server.clients[i].fd,
                                                    client_events(handler, server.clients + i), 0};
                polled[SERVER_CLIENTS_MAX] = (struct pollfd){listener, POLLIN, 0};
                polled[SERVER_CLIENTS_MAX + 1] = (struct pollfd){stop, POLLIN, 0};
                if (poll(polled, ARRAY_SIZE(polled), SERVER_IDLE_MSEC / 4) < 0 && errno != EINTR)
                        r = -errno;
                for (size_t i = 0; i < SERVER_CLIENTS_MAX && r == 0; i++)
                        if (polled[i].fd >= 0)
                                client_serve(handler, server.clients + i, polled[i].revents);
                if (polled[SERVER_CLIENTS_MAX].revents & POLLIN)
                        server_accept(&server, listener);
                else if (polled[SERVER_CLIENTS_MAX].revents)
                        r = -EIO;
                if (stop >= 0 && polled[SERVER_CLIENTS_MAX + 1].revents)
                        break;
        }
        for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++)
                client_drop(server.clients + i);
        return r;
}

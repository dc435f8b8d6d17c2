/* SPDX-License-Identifier: Apache-2.0 */

/* Sockets in the file system, who connects to them, and how many may. */

#include "test.h"

#include <fcntl.h>
#include <grp.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memfd.h"
#include "wire.h"

typedef struct Place {
        char directory[32];
        char path[48];
} Place;

static Place place(void)
{
        Place p = {.directory = "/tmp/test-wire-XXXXXX"};

        assert_non_null(mkdtemp(p.directory));
        snprintf(p.path, sizeof(p.path), "%s/socket", p.directory);
        return p;
}

static int try_connect(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
                return fd;
        close(fd);
        return -errno;
}

static void test_path(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        gid_t group = geteuid() == 0 ? 12345 : getegid();
        mode_t mask = umask(0177);
        struct stat st;
        int fd;

        assert_int_equal(wire_server_listen_path(w->server, p.path, 0660, group), 0);
        umask(mask);
        assert_int_equal(lstat(p.path, &st), 0);
        assert_true(S_ISSOCK(st.st_mode));
        assert_int_equal(st.st_mode & 07777, 0660);
        assert_int_equal(st.st_gid, group);

        fd = try_connect(p.path);
        assert_true(fd >= 0);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(fd);

        /* somebody listens there: us */
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0660, (gid_t)-1), -EADDRINUSE);
        wire_stop(w);
        assert_int_equal(lstat(p.path, &st), -1);
        assert_int_equal(rmdir(p.directory), 0);
}

static void test_dead_socket(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", p.path);
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        close(fd);
        assert_int_equal(try_connect(p.path), -ECONNREFUSED);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), 0);
        fd = try_connect(p.path);
        assert_true(fd >= 0);
        close(fd);
        wire_stop(w);
        assert_int_equal(rmdir(p.directory), 0);
}

/* A child of a daemon that was killed has its socket for some milliseconds. */
static void test_socket_that_is_dying(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pid_t pid;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", p.path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 4), 0);
        pid = fork();
        if (pid == 0) {
                usleep(300 * 1000);
                _exit(0);
        }
        close(fd);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        wire_stop(w);
        assert_int_equal(rmdir(p.directory), 0);
}

static void write_file(const char *path)
{
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_int_equal(fd_write_all(fd, "mine", 4), 0);
        close(fd);
}

/* What others put there is neither replaced nor removed. */
static void test_foreign(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_free_ char *text = NULL;
        char longer[200];
        int fd;

        write_file(p.path);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), -EEXIST);
        assert_int_equal(file_read_at(AT_FDCWD, p.path, 10, &text, NULL), 0);
        assert_string_equal(text, "mine");
        assert_int_equal(unlink(p.path), 0);

        assert_int_equal(symlink("/nowhere", p.path), 0);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), -EEXIST);
        assert_int_equal(unlink(p.path), 0);

        /* a datagram socket that lives */
        snprintf(address.sun_path, sizeof(address.sun_path), "%s", p.path);
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), -EADDRINUSE);
        close(fd);
        assert_int_equal(unlink(p.path), 0);

        memset(longer, 'x', sizeof(longer) - 1);
        longer[0] = '/';
        longer[108] = 0;
        assert_int_equal(wire_server_listen_path(w->server, longer, 0600, (gid_t)-1),
                         -ENAMETOOLONG);
        assert_int_equal(wire_server_listen_path(w->server, "", 0600, (gid_t)-1), -ENOENT);

        /* ours has been replaced by another's meanwhile */
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), 0);
        assert_int_equal(unlink(p.path), 0);
        write_file(p.path);
        wire_stop(w);
        assert_int_equal(unlink(p.path), 0);
        assert_int_equal(rmdir(p.directory), 0);
}

/* A socket that may not be connected to is not taken for a dead one. */
static void test_forbidden(void **state)
{
        Wire *w;
        Place p;
        int fd;

        if (geteuid() != 0)
                skip();
        w = wire_start();
        p = place();
        assert_int_equal(chmod(p.directory, 0777), 0);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), 0);
        assert_int_equal(seteuid(65534), 0);
        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), -EACCES);
        assert_int_equal(seteuid(0), 0);
        fd = try_connect(p.path);
        assert_true(fd >= 0);
        close(fd);
        wire_stop(w);
        assert_int_equal(rmdir(p.directory), 0);
}

static void test_inherited(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char aside[PATH_MAX];
        unsigned restored;

        snprintf(address.sun_path, sizeof(address.sun_path), "%s", p.path);
        snprintf(aside, sizeof(aside), "%s.aside", p.path);
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(wire_server_listen_fd(w->server, fd), 0);
        assert_int_equal(wire_server_restore_paths(w->server, &restored), 0);
        fd = try_connect(p.path);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(fd);
        /* whoever made it creates it again */
        assert_int_equal(rename(p.path, aside), 0);
        assert_int_equal(wire_server_restore_paths(w->server, &restored), -EOWNERDEAD);
        assert_int_equal(restored, 0);
        assert_int_equal(access(p.path, F_OK), -1);
        assert_int_equal(rename(aside, p.path), 0);
        assert_int_equal(wire_server_restore_paths(w->server, &restored), 0);
        wire_stop(w);
        /* and removes it */
        assert_int_equal(unlink(p.path), 0);
        assert_int_equal(rmdir(p.directory), 0);
}

static void test_peer(void **state)
{
        static const gid_t some[] = {10004, 10024};
        gid_t before[256], groups[256];
        Wire *w = wire_start();
        const WirePeer *peer;
        WirePeer copy;
        int fd, n_before, n;

        /* the groups at the time of the connection count */
        n_before = getgroups(ARRAY_SIZE(before), before);
        assert_true(n_before >= 0);
        if (geteuid() == 0)
                assert_int_equal(setgroups(ARRAY_SIZE(some), some), 0);
        n = getgroups(ARRAY_SIZE(groups), groups);
        fd = wire_connect(w);
        if (geteuid() == 0)
                assert_int_equal(setgroups((size_t)n_before, before), 0);

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        peer = wire_call_peer(w->held[0]);
        assert_int_equal(peer->pid, getpid());
        assert_int_equal(peer->uid, geteuid());
        assert_int_equal(peer->gid, getegid());
        assert_int_equal(wire_peer_copy(peer, &copy), 0);
        assert_int_equal(copy.n_groups, n);
        for (int i = 0; i < n; i++)
                assert_true(wire_peer_in_group(&copy, groups[i]));
        assert_true(wire_peer_in_group(&copy, getegid()));
        assert_false(wire_peer_in_group(&copy, 4000000000u));
        wire_peer_done(&copy);
        close(fd);
        wire_stop(w);
}

/* Runs as another uid where this is root, who is exempt. */
static int connect_as(Wire *w, uid_t user)
{
        uid_t uid = geteuid();
        int fds[2], r;

        if (uid == 0)
                assert_int_equal(seteuid(user), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(seteuid(uid), 0);
        r = wire_server_add_connection(w->server, fds[1]);
        if (r == 0)
                return fds[0];
        close(fds[0]);
        return r;
}

static int connect_as_user(Wire *w)
{
        return connect_as(w, 65534);
}

static void raise_limit(void)
{
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_limit_per_uid(void **state)
{
        Wire *w = wire_start();
        int fds[WIRE_CONNECTIONS_PER_UID_MAX];

        raise_limit();
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_as_user(w);
                assert_true(fds[i] >= 0);
        }
        assert_int_equal(connect_as_user(w), -EUSERS);
        if (geteuid() == 0)
                wire_check_alive(w);
        close(fds[0]);
        test_loop_until(&w->test, wire_server_connections(w->server) == ARRAY_SIZE(fds) - 1);
        fds[0] = connect_as_user(w);
        assert_true(fds[0] >= 0);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        wire_stop(w);
}

/* One that was upgraded keeps its place until its new owner has closed it. */
static void test_limit_of_upgraded(void **state)
{
        Wire *w = wire_start();
        int fds[WIRE_CONNECTIONS_PER_UID_MAX], more;

        raise_limit();
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = connect_as_user(w);
        wire_send(w, fds[0], "{\"method\":\"t.Upgrade\",\"upgrade\":true}");
        test_loop_until(&w->test, w->taken_fd >= 0);
        assert_int_equal(wire_server_connections(w->server), ARRAY_SIZE(fds) - 1);
        assert_int_equal(connect_as_user(w), -EUSERS);
        close(w->taken_fd);
        w->seat = wire_seat_free(w->seat);
        more = connect_as_user(w);
        assert_true(more >= 0);
        close(more);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        wire_stop(w);
}

/* Half messages on many connections may not fill the memory: the sum a uid is bounded. */
static void test_limit_of_bytes(void **state)
{
        static char block[15 << 20];
        Wire *w = wire_start();
        int fds[8];

        memset(block, ' ', sizeof(block));
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_as_user(w);
                wire_send_bytes(w, fds[i], block, sizeof(block));
                test_loop_for(&w->test, 3);
        }
        assert_in_range(wire_server_connections(w->server), 4, 5);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        wire_stop(w);
}

/* All users together fill a part of the memory at most, and whoever has the most loses it first. */
static void test_limit_of_all(void **state)
{
        enum { MIB = 1 << 20, GREEDY = 3, USERS = 8 };
        static char block[15 * MIB];
        const size_t unit = test_under_valgrind() ? MIB / 32 : MIB;
        Wire *w = wire_start();
        int greedy[GREEDY], small[USERS];
        size_t n = 0;

        if (geteuid() != 0) {
                print_message("needs root to connect as several users\n");
                wire_stop(w);
                skip();
        }
        memset(block, ' ', sizeof(block));
        wire_server_bound_buffered(w->server, 64 * unit);
        for (int i = 0; i < GREEDY; i++) {
                greedy[i] = connect_as(w, 70000);
                wire_send_bytes(w, greedy[i], block, 15 * unit);
                test_loop_for(&w->test, 3);
        }
        assert_int_equal(wire_server_connections(w->server), GREEDY);
        for (uid_t i = 0; i < USERS; i++) { /* in all more than there may be */
                small[i] = connect_as(w, 70001 + i);
                wire_send_bytes(w, small[i], block, 3 * unit);
                test_loop_for(&w->test, 3);
        }
        for (int i = 0; i < GREEDY; i++) {
                char c;

                n += recv(greedy[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
                close(greedy[i]);
        }
        assert_in_range(n, 1, GREEDY - 1);
        for (int i = 0; i < USERS; i++) {
                char c;

                assert_true(recv(small[i], &c, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN);
                close(small[i]);
        }
        wire_stop(w);
}

/* The same of answers that are not read. */
static void test_limit_of_output(void **state)
{
        static char block[3 << 20];
        Wire *w = wire_start();
        int fds[32];

        memset(block, 'x', sizeof(block) - 1);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_as_user(w);
                wire_send(w, fds[i], "{\"method\":\"t.Hold\",\"more\":true}");
                test_loop_until(&w->test, w->n_held == i + 1);
                wire_call_continue(w->held[i],
                                   json_build("x", json_object_new_string(block), NULL));
                test_loop_for(&w->test, 3);
        }
        assert_int_equal(wire_server_connections(w->server), 16); /* each has 4 MiB allocated */
        assert_int_equal(w->n_gone, ARRAY_SIZE(fds) - wire_server_connections(w->server));
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        wire_stop(w);
}

static void test_limit_of_fds(void **state)
{
        Wire *w = wire_start();
        int fds[10], files[WIRE_FDS_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                files[i] = dup(STDIN_FILENO);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = connect_as_user(w);
                wire_send_fds(fds[i], "{", 1, files, ARRAY_SIZE(files));
                test_loop_for(&w->test, 3);
        }
        assert_int_equal(wire_server_connections(w->server), 8);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                close(files[i]);
        wire_stop(w);
}

/* Without descriptors new clients are refused at once, and the loop does not spin on them. */
static void test_no_descriptors(void **state)
{
        Wire *w = wire_start();
        Place p = place();
        struct rlimit limit, low;
        int held = dup(STDIN_FILENO), old, fd;

        assert_int_equal(wire_server_listen_path(w->server, p.path, 0600, (gid_t)-1), 0);
        old = try_connect(p.path);
        wire_exchange(w, old, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        fd = try_connect(p.path); /* not accepted yet */
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        low = limit;
        low.rlim_cur = (rlim_t)held + 1;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
        wire_expect_end(w, fd);
        wire_exchange(w, old, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        close(fd);

        fd = try_connect(p.path);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(fd);
        close(old);
        close(held);
        wire_stop(w);
        assert_int_equal(rmdir(p.directory), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_path),
                cmocka_unit_test(test_dead_socket),
                cmocka_unit_test(test_socket_that_is_dying),
                cmocka_unit_test(test_foreign),
                cmocka_unit_test(test_forbidden),
                cmocka_unit_test(test_inherited),
                cmocka_unit_test(test_peer),
                cmocka_unit_test(test_limit_per_uid),
                cmocka_unit_test(test_limit_of_upgraded),
                cmocka_unit_test(test_limit_of_bytes),
                cmocka_unit_test(test_limit_of_all),
                cmocka_unit_test(test_limit_of_output),
                cmocka_unit_test(test_limit_of_fds),
                cmocka_unit_test(test_no_descriptors),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>

#include "artifact/caller.h"
#include "base/errand.h"
#include "base/file.h"
#include "base/tree.h"
#include "deaf.h"
#include "leaks.h"
#include "mounts.h"

#define STRANGER 4242 /* a uid that owns nothing */

static char directory[] = "/tmp/cvmd-test-caller-XXXXXX";

static Caller self(void)
{
        return (Caller){.uid = geteuid(), .gid = getegid()};
}

static Caller stranger(void)
{
        static const gid_t groups[] = {4343, 4344};

        return (Caller){.uid = STRANGER, .gid = STRANGER, .groups = groups, .n_groups = 2};
}

static char *path_of(const char *name)
{
        char *path;

        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        return path;
}

static void make(const char *name, mode_t mode)
{
        _cleanup_free_ char *path = path_of(name);
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, name, strlen(name)), strlen(name));
        assert_int_equal(fchmod(fd, mode), 0);
}

static void make_directory(const char *name, mode_t mode)
{
        _cleanup_free_ char *path = path_of(name);

        assert_int_equal(mkdir(path, mode), 0);
        assert_int_equal(chmod(path, mode), 0);
}

static int setup(void **state)
{
        assert_non_null(mkdtemp(directory));
        assert_int_equal(chmod(directory, 0755), 0);
        make("public", 0644);
        make("private", 0600);
        make_directory("open", 0755);
        make_directory("sticky", 01777);
        make_directory("closed", 0700);
        make_directory("listed", 0744); /* others may read its names and not enter */
        return 0;
}

static int teardown(void **state)
{
        _cleanup_free_ char *hung = path_of("hung");

        umount2(hung, MNT_DETACH); /* of a case that failed */
        return tree_remove_at(AT_FDCWD, directory);
}

/* Opens a path that may be relative to the test's directory. */
static int try_open(const Caller *caller, const char *path, CallerOpen what, bool writable,
                    int *ret_fd, CvmError *error)
{
        _cleanup_free_ char *absolute = path[0] == '/' ? strdup(path) : path_of(path);

        return caller_open(caller, absolute, what, writable, "kernel.path", ret_fd, error);
}

static void opens(const Caller *caller, const char *path, CallerOpen what, bool writable)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int fd = -1;
        int r = try_open(caller, path, what, writable, &fd, &error);
        _cleanup_free_ char *message = cvm_error_message(&error);

        if (r != 0)
                fail_msg("%s: %s", path, message);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDONLY);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void assert_refused(int r, const char *what, const char *part, CvmError *error)
{
        _cleanup_free_ char *message = cvm_error_message(error);

        if (r == 0)
                fail_msg("%s was opened", what);
        if (!strstr(message, part))
                fail_msg("%s: '%s' is not in '%s'", what, part, message);
        assert_int_equal(error->id, CVM_ERROR_INVALID_SPEC);
        if (!strstr(message, "kernel.path"))
                fail_msg("no field in '%s'", message);
}

static void refuses(const Caller *caller, const char *path, CallerOpen what, bool writable,
                    const char *part)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int fd = -1;
        int r = try_open(caller, path, what, writable, &fd, &error);

        assert_int_equal(fd, -1);
        assert_refused(r, path, part, &error);
}

static void test_self(void **state)
{
        Caller caller = self();

        opens(&caller, "public", CALLER_OPEN_FILE, false);
        opens(&caller, "private", CALLER_OPEN_FILE, false);
        opens(&caller, "closed", CALLER_OPEN_DIRECTORY, true);
        refuses(&caller, "absent", CALLER_OPEN_FILE, false, "does not exist");
        refuses(&caller, "public/x", CALLER_OPEN_FILE, false, "not a directory");
        refuses(&caller, "open", CALLER_OPEN_FILE, false, "is a directory, not a regular file");
        refuses(&caller, "public", CALLER_OPEN_DIRECTORY, false, "not a directory");

        _cleanup_(cvm_error_done) CvmError error = {};
        int fd = -1;
        int r = caller_open(&caller, "public", CALLER_OPEN_FILE, false, "kernel.path", &fd, &error);
        assert_refused(r, "public", "not an absolute path", &error);
}

static int open_own(const char *name, int flags)
{
        _cleanup_free_ char *path = path_of(name);
        int fd = open(path, flags | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void test_special(void **state)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        _cleanup_close_ int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_free_ char *fifo = path_of("fifo"), *link = path_of("loop");
        _cleanup_close_ int file = open_own("public", O_RDONLY), high = -1;
        Caller caller = self();
        char daemons[40];

        assert_int_equal(mkfifo(fifo, 0600), 0);
        refuses(&caller, "fifo", CALLER_OPEN_FILE, false, "is a FIFO, not a regular file");
        refuses(&caller, "/dev/zero", CALLER_OPEN_FILE, false, "is a device");
        refuses(&caller, "/dev/null", CALLER_OPEN_DIRECTORY, false, "not a directory");
        /* The child's descriptors are the daemon's: what they link to is not the caller's
         * to name. */
        snprintf(daemons, sizeof(daemons), "/proc/%d/fd/%d", (int)getpid(), file);
        refuses(&caller, daemons, CALLER_OPEN_FILE, false, daemons); /* why depends on root */
        high = fcntl(file, F_DUPFD_CLOEXEC, 500);
        assert_int_equal(high, 500);
        refuses(&caller, "/proc/self/fd/500", CALLER_OPEN_FILE, false, "does not exist");
        refuses(&caller, "/proc/self/fd/0", CALLER_OPEN_FILE, false, "does not exist");
        refuses(&caller, "/dev/stdin", CALLER_OPEN_FILE, false, "does not exist");
        refuses(&caller, "/proc/self/exe", CALLER_OPEN_FILE, false, "/proc link");
        refuses(&caller, "/proc/self/root/etc/passwd", CALLER_OPEN_FILE, false, "/proc link");
        refuses(&caller, "/proc/self/cwd", CALLER_OPEN_DIRECTORY, false, "/proc link");
        assert_int_equal(symlink("loop", link), 0);
        refuses(&caller, "loop", CALLER_OPEN_FILE, false, "too many symbolic links");

        snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", directory);
        assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
        refuses(&caller, "socket", CALLER_OPEN_FILE, false, "is a socket");
}

static void need_root(void)
{
        if (geteuid() != 0) {
                print_message("needs root: takes another user's rights\n");
                skip();
        }
}

static void test_stranger(void **state)
{
        _cleanup_free_ char *link = path_of("link"), *inside = path_of("closed/inside");
        Caller caller = stranger();

        need_root();
        opens(&caller, "public", CALLER_OPEN_FILE, false);
        refuses(&caller, "private", CALLER_OPEN_FILE, false, "uid 4242 may not read");
        refuses(&caller, "/etc/shadow", CALLER_OPEN_FILE, false, "uid 4242 may not read");
        refuses(&caller, "closed/inside", CALLER_OPEN_FILE, false, "uid 4242 may not read");
        assert_int_equal(symlink("private", link), 0);
        refuses(&caller, "link", CALLER_OPEN_FILE, false, "uid 4242 may not read");

        opens(&caller, "open", CALLER_OPEN_DIRECTORY, false);
        refuses(&caller, "open", CALLER_OPEN_DIRECTORY, true, "uid 4242 may not write");
        opens(&caller, "sticky", CALLER_OPEN_DIRECTORY, true);
        refuses(&caller, "closed", CALLER_OPEN_DIRECTORY, false, "uid 4242 may not read");
        refuses(&caller, "listed", CALLER_OPEN_DIRECTORY, false, "may not read and enter");
}

/* Supplementary groups count, and the daemon's own do not. */
static void test_groups(void **state)
{
        _cleanup_free_ char *path = path_of("grouped"), *roots = path_of("roots");
        Caller caller = stranger();

        need_root();
        make("grouped", 0640);
        assert_int_equal(chown(path, 0, 4344), 0);
        opens(&caller, "grouped", CALLER_OPEN_FILE, false);
        caller.n_groups = 1;
        refuses(&caller, "grouped", CALLER_OPEN_FILE, false, "may not read");
        caller.n_groups = 0;
        make("roots", 0640); /* group 0 */
        assert_int_equal(chown(roots, 0, 0), 0);
        refuses(&caller, "roots", CALLER_OPEN_FILE, false, "may not read");
}

/* A caller that is root may read what others made private. */
static void test_root(void **state)
{
        _cleanup_free_ char *path = path_of("others");
        Caller caller = self();

        need_root();
        make("others", 0600);
        assert_int_equal(chown(path, STRANGER, STRANGER), 0);
        opens(&caller, "others", CALLER_OPEN_FILE, false);
}

/* A cvmd without root can be nobody else. */
static void test_unprivileged(void **state)
{
        pid_t pid;
        int status;

        need_root();
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                Caller other = {.uid = STRANGER + 1, .gid = STRANGER}, own = stranger();
                _cleanup_(cvm_error_done) CvmError error = {};
                int fd = -1, r;

                if (setgroups(0, NULL) < 0 || setresgid(STRANGER, STRANGER, STRANGER) < 0 ||
                    setresuid(STRANGER, STRANGER, STRANGER) < 0)
                        _exit(2);
                r = try_open(&other, "public", CALLER_OPEN_FILE, false, &fd, &error);
                if (r != -EINVAL || error.id != CVM_ERROR_INVALID_SPEC || fd != -1)
                        _exit(3);
                cvm_error_done(&error);
                if (try_open(&own, "public", CALLER_OPEN_FILE, false, &fd, &error) != 0)
                        _exit(4);
                close(fd);
                if (try_open(&own, "private", CALLER_OPEN_FILE, false, &fd, &error) != -EINVAL)
                        _exit(5);
                cvm_error_done(&error);
                _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
}

static void checks_fd(const Caller *caller, int fd, CallerOpen what, bool writable,
                      const char *refusal)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const Descriptor judged = {.kind = DESCRIPTOR_USABLE};
        int r = caller_check_fd(caller, fd, &judged, what, writable, "kernel.path", &error);

        if (refusal)
                assert_refused(r, "the descriptor", refusal, &error);
        else
                assert_int_equal(r, 0);
        assert_true(fcntl(fd, F_GETFD) >= 0);
        close(fd);
}

/* What the kernel writes for whoever reads it is read by the daemon: no content of the caller's. */
static void test_kernel_files(void **state)
{
        static const struct {
                const char *path, *part;
        } cases[] = {
                {"/proc/self/stat", "a file on proc,"},
                {"/proc/net/unix", "a file on proc,"},
                {"/proc/sys/kernel/random/boot_id", "a file on proc,"},
                {"/sys/kernel/uevent_seqnum", "a file on sysfs,"},
                {"/sys/devices/system/cpu/online", "a file on sysfs,"},
                {"/sys/fs/cgroup/cgroup.controllers", "a file on cgroup2,"},
                {"/sys/kernel/debug/sleep_time", "a file on debugfs,"},
                {"/sys/kernel/tracing/README", "a file on tracefs,"},
                {"/sys/kernel/security/lsm", "a file on securityfs,"},
        };
        Caller caller = self();

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                int fd = open(cases[i].path, O_RDONLY | O_CLOEXEC);

                if (fd < 0 && i > 4) {
                        print_message("not here: %s\n", cases[i].path);
                        continue;
                }
                assert_true(fd >= 0);
                checks_fd(&caller, fd, CALLER_OPEN_FILE, false, cases[i].part);
                refuses(&caller, cases[i].path, CALLER_OPEN_FILE, false, cases[i].part);
                refuses(&caller, cases[i].path, CALLER_OPEN_DISK, false, cases[i].part);
        }
        opens(&caller, "/sys/kernel", CALLER_OPEN_DIRECTORY, false);
}

static void test_fd(void **state)
{
        Caller caller = self(), other = stranger();

        checks_fd(&caller, open_own("public", O_RDONLY), CALLER_OPEN_FILE, false, NULL);
        checks_fd(&caller, open_own("public", O_RDWR), CALLER_OPEN_FILE, false, NULL);
        checks_fd(&caller, open_own("public", O_PATH), CALLER_OPEN_FILE, false, "O_PATH");
        checks_fd(&caller, open_own("public", O_WRONLY), CALLER_OPEN_FILE, false,
                  "not open for reading");
        checks_fd(&caller, open_own("open", O_RDONLY), CALLER_OPEN_FILE, false, "is a directory");
        checks_fd(&caller, open_own("public", O_RDONLY), CALLER_OPEN_DIRECTORY, false,
                  "is a regular file, not a directory");
        checks_fd(&caller, open("/dev/zero", O_RDONLY | O_CLOEXEC), CALLER_OPEN_FILE, false,
                  "is a device");
        checks_fd(&caller, open_own("open", O_PATH), CALLER_OPEN_DIRECTORY, true, NULL);
        need_root();
        /* a file's descriptor is a right by itself, a directory's is not */
        checks_fd(&other, open_own("private", O_RDONLY), CALLER_OPEN_FILE, false, NULL);
        checks_fd(&other, open_own("open", O_RDONLY), CALLER_OPEN_DIRECTORY, false, NULL);
        checks_fd(&other, open_own("open", O_RDONLY), CALLER_OPEN_DIRECTORY, true, "may not write");
        checks_fd(&other, open_own("closed", O_PATH), CALLER_OPEN_DIRECTORY, false, "may not read");
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* A FUSE file system that nobody serves: the first look into it hangs until a signal kills. Returns
 * the descriptor that keeps it. */
static int mount_hung(const char *path)
{
        int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
        char options[80];

        assert_int_equal(mkdir(path, 0755), 0);
        snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
        if (fuse < 0 || !mount_privately("fuse", path, options)) {
                print_message("needs root and /dev/fuse: mounts a file system that hangs\n");
                rmdir(path);
                if (fuse >= 0)
                        close(fuse);
                skip();
        }
        return fuse;
}

static void unmount_hung(const char *path, int fuse)
{
        assert_int_equal(umount2(path, MNT_DETACH), 0);
        close(fuse);
        assert_int_equal(rmdir(path), 0);
}

static void test_hung(void **state)
{
        _cleanup_free_ char *path = path_of("hung");
        int fuse = mount_hung(path);
        Caller caller = self();
        int64_t start = now_msec();

        refuses(&caller, "hung/file", CALLER_OPEN_FILE, false, "took more than 5000 ms");
        assert_in_range(now_msec() - start, CALLER_OPEN_MSEC, 2 * CALLER_OPEN_MSEC);
        unmount_hung(path, fuse);
}

static int read_within(const Deaf *deaf, CallerBudget *budget, int step_msec, int *ret_fd,
                       CvmError *error)
{
        const CallerContent content = {.max = 4096, .step_msec = step_msec};
        _cleanup_free_ char *path = deaf_path(deaf);
        Caller caller = self();
        bool copied = false;
        int r;

        caller.budget = budget;
        r = caller_read(&caller, path, &content, "kernel.path", ret_fd, &copied, error);

        assert_true(copied == (r == 0));
        return r;
}

static int read_served(const Deaf *deaf, int step_msec, int *ret_fd, CvmError *error)
{
        return read_within(deaf, NULL, step_msec, ret_fd, error);
}

/* A server that opens a file and never sends its content holds nobody for longer than it may, and
 * its children are counted. */
static void test_mute(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int fd = -1;
        char text[16] = {};
        int64_t start;
        Deaf deaf;

        if (!deaf_mount(&deaf)) {
                print_message("needs root and /dev/fuse: mounts a file system that is mute\n");
                skip();
        }
        deaf.honest = true;
        deaf.content = "content";
        assert_int_equal(read_served(&deaf, 0, &fd, &error), 0);
        assert_int_equal(pread(fd, text, sizeof(text), 0), strlen(deaf.content));
        assert_string_equal(text, deaf.content);
        close(TAKE_FD(fd));
        deaf.mute = true;
        for (unsigned n = 0; n < ERRAND_LEFT_PER_UID; n++) {
                _cleanup_(cvm_error_done) CvmError slow = {};

                start = now_msec();
                assert_refused(read_served(&deaf, 200, &fd, &slow), "mute",
                               "took more than 200 ms for 1024 KiB of it", &slow);
                assert_in_range(now_msec() - start, 200, 5000);
                assert_int_equal(errand_left(geteuid()), n + 1);
        }
        assert_int_equal(read_served(&deaf, 200, &fd, &error), -EDQUOT);
        deaf_abort(&deaf);
        for (unsigned tries = 0; errand_left(geteuid()) && tries < 500; tries++)
                usleep(20000);
        assert_int_equal(errand_left(geteuid()), 0);
        deaf_done(&deaf);
}

/* All files of a launch have a time together, whatever each may take. */
static void test_drip(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {}, next = {};
        CallerBudget budget = {20000};
        _cleanup_close_ int fd = -1;
        int64_t start;
        Deaf deaf;

        if (!deaf_mount(&deaf)) {
                print_message("needs root and /dev/fuse: mounts a file system that is mute\n");
                skip();
        }
        deaf.honest = true;
        deaf.content = "content";
        assert_int_equal(read_within(&deaf, &budget, 0, &fd, &error), 0);
        assert_in_range(budget.msec, 1, 20000);
        close(TAKE_FD(fd));
        deaf.mute = true;
        budget.msec = 300;
        start = now_msec();
        assert_refused(read_within(&deaf, &budget, 0, &fd, &error), "mute",
                       "the files took longer than all together may: 60 s", &error);
        assert_in_range(now_msec() - start, 200, 15000); /* a step may take 30 s */
        assert_true(budget.msec <= 0);
        deaf.mute = false;
        assert_refused(read_within(&deaf, &budget, 0, &fd, &next), "mute",
                       "the files took longer than all together may", &next);
        deaf_abort(&deaf);
        for (unsigned tries = 0; errand_left(geteuid()) && tries < 500; tries++)
                usleep(20000);
        deaf_done(&deaf);
}

/* The daemon is killed while an open hangs: the child does not stay behind. */
static void test_orphan(void **state)
{
        _cleanup_free_ char *path = path_of("hung");
        int fuse = mount_hung(path);
        Caller caller = self();
        pid_t daemon_, orphan;

        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
        daemon_ = fork();
        assert_true(daemon_ >= 0);
        if (daemon_ == 0) {
                _cleanup_(cvm_error_done) CvmError error = {};
                int fd;

                try_open(&caller, "hung/file", CALLER_OPEN_FILE, false, &fd, &error);
                _exit(1);
        }
        usleep(500 * 1000); /* long enough to hang */
        assert_int_equal(kill(daemon_, SIGKILL), 0);
        assert_int_equal(waitpid(daemon_, NULL, 0), daemon_);
        usleep(500 * 1000);
        orphan = waitpid(-1, NULL, WNOHANG | __WALL);
        unmount_hung(path, fuse); /* lets go of one that is left */
        assert_true(orphan > 0);
        assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0), 0);
}

static volatile sig_atomic_t heard;

static void hear(int signal)
{
        heard++;
}

/* The daemon's watch over its children never hears of ours, and its handlers never run in it. */
static void test_unheard(void **state)
{
        struct sigaction old, action = {.sa_handler = hear};
        Caller caller = self();

        sigaction(SIGCHLD, &action, &old);
        for (int i = 0; i < 50; i++)
                opens(&caller, "public", CALLER_OPEN_FILE, false);
        sigaction(SIGCHLD, &old, NULL);
        assert_int_equal(heard, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_self),     leaks_unit_test(test_special),
                leaks_unit_test(test_stranger), leaks_unit_test(test_groups),
                leaks_unit_test(test_root),     leaks_unit_test(test_unprivileged),
                leaks_unit_test(test_fd),       leaks_unit_test(test_kernel_files),
                leaks_unit_test(test_hung),     leaks_unit_test(test_orphan),
                leaks_unit_test(test_unheard),  leaks_unit_test(test_mute),
                leaks_unit_test(test_drip),
        };

        if (syscall(SYS_openat2, -1, "", &(struct open_how){}, 0) < 0 && errno == ENOSYS) {
                puts("1..0 # SKIP no openat2(2) here (valgrind before 3.20 hides it)");
                return 0;
        }
        return cmocka_run_group_tests(tests, setup, teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */

/* cvmd: arguments, loop, signals. See cvmd(8). */

#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "api/api.h"
#include "api/vsock.h"
#include "base/fd.h"
#include "base/foreign.h"
#include "base/fork.h"
#include "base/forker.h"
#include "base/heap.h"
#include "base/text.h"
#include "driver/driver.h"
#include "launch/launch.h"
#include "launch/reload.h"
#include "local/config_review.h"
#include "local/log.h"
#include "manager/manager.h"
#include "parts.h"
#include "systemd/fdstore.h"
#include "wire/server.h"

#define SOCKET_NAME "io.cvmd.Manager"
#define GOODBYE_MSEC 10000 /* how long launches in progress may take to be undone at the end */
#define WORKERS_MSEC 2000  /* and then workers that files block, to come back */
#define DISK_MSEC 20000    /* from the signal on: workers that wait for the disk */

typedef struct Options {
        const char *config, *socket, *runtime_dir, *state_dir;
        LogLevel log_level;
        bool check; /* the configuration alone */
        bool done;  /* --help and --version have printed */
} Options;

typedef struct Daemon {
        uv_loop_t loop;
        Parts parts;
        WireServer *server;
        VsockListener *vsock;
        uv_signal_t signals[2];
        Reload reload;
        uv_timer_t goodbye, watchdog, last;
        uint64_t goodbye_at, disk_at;
        uint64_t log_progress; /* of the queue of the logs, when on_last() looked last */
} Daemon;

static const char help[] =
        "Usage: cvmd [OPTION]…\n"
        "Launch confidential VMs on this host and manage their life cycle; stays in the "
        "foreground.\n"
        "\n"
        "  --config FILE       configuration (default " CONFIG_PATH ", if it is there)\n"
        "  --check-config      check the configuration, print what is wrong with it, and exit\n"
        "  --socket PATH       where to listen (default RUNTIME-DIR/" SOCKET_NAME ")\n"
        "  --runtime-dir DIR   sockets and secrets of live CVMs (default /run/cvmd, or\n"
        "                      $XDG_RUNTIME_DIR/cvmd where not root)\n"
        "  --state-dir DIR     records and console logs (default /var/lib/cvmd, or\n"
        "                      $XDG_STATE_HOME/cvmd where not root)\n"
        "  --log-level LEVEL   error, warning, info (default) or debug\n"
        "  --version           print the version\n"
        "  --help              print this\n"
        "\n"
        "See cvmd(8), cvmd.conf(5). To use it: cvmctl(1).\n";

static int parse_options(int argc, char **argv, Options *ret)
{
        enum {
                CONFIG = 256,
                CHECK_CONFIG,
                SOCKET,
                RUNTIME_DIR,
                STATE_DIR,
                LOG_LEVEL,
                VERSION,
                HELP
        };
        static const struct option options[] = {
                {"config", required_argument, NULL, CONFIG},
                {"check-config", no_argument, NULL, CHECK_CONFIG},
                {"socket", required_argument, NULL, SOCKET},
                {"runtime-dir", required_argument, NULL, RUNTIME_DIR},
                {"state-dir", required_argument, NULL, STATE_DIR},
                {"log-level", required_argument, NULL, LOG_LEVEL},
                {"version", no_argument, NULL, VERSION},
                {"help", no_argument, NULL, HELP},
                {},
        };
        Options o = {.log_level = LOG_LEVEL_INFO};
        int c;

        while ((c = getopt_long(argc, argv, "h", options, NULL)) >= 0)
                switch (c) {
                case CONFIG:
                        o.config = optarg;
                        break;
                case CHECK_CONFIG:
                        o.check = true;
                        break;
                case SOCKET:
                        o.socket = optarg;
                        break;
                case RUNTIME_DIR:
                        o.runtime_dir = optarg;
                        break;
                case STATE_DIR:
                        o.state_dir = optarg;
                        break;
                case LOG_LEVEL:
                        if (log_parse_level(optarg, &o.log_level) < 0) {
                                fprintf(stderr,
                                        "cvmd: --log-level must be error, warning, info or debug, "
                                        "not '%s'\n",
                                        optarg);
                                return -EINVAL;
                        }
                        break;
                case VERSION:
                        puts("cvmd " CVMD_VERSION);
                        o.done = true;
                        break;
                case HELP:
                case 'h':
                        fputs(help, stdout);
                        o.done = true;
                        break;
                default:
                        fputs("cvmd: see cvmd --help\n", stderr);
                        return -EINVAL;
                }
        if (optind < argc) {
                fprintf(stderr, "cvmd: unexpected argument '%s'; see cvmd --help\n", argv[optind]);
                return -EINVAL;
        }
        *ret = o;
        return 0;
}

/* A directory below what the environment gives, or below a part of the home directory. */
static char *user_directory(const char *variable, const char *below_home)
{
        const char *base = getenv(variable), *home = getenv("HOME");

        if (base && *base == '/')
                return text_format("%s/cvmd", base);
        return below_home && home && *home == '/' ? text_format("%s/%s/cvmd", home, below_home)
                                                  : NULL;
}

typedef struct Paths {
        char *runtime, *state, *socket;
} Paths;

static void paths_done(Paths *paths)
{
        free(paths->runtime);
        free(paths->state);
        free(paths->socket);
}

static int find_paths(const Options *options, Paths *ret)
{
        bool root = geteuid() == 0;

        if (options->runtime_dir)
                ret->runtime = strdup(options->runtime_dir);
        else
                ret->runtime = root ? strdup("/run/cvmd") : user_directory("XDG_RUNTIME_DIR", NULL);
        if (!ret->runtime) {
                log_error("XDG_RUNTIME_DIR is not set: name a directory with --runtime-dir");
                return -EINVAL;
        }
        if (options->state_dir)
                ret->state = strdup(options->state_dir);
        else
                ret->state = root ? strdup(CONFIG_STATE_DIRECTORY)
                                  : user_directory("XDG_STATE_HOME", ".local/state");
        if (!ret->state) {
                log_error("neither XDG_STATE_HOME nor HOME is set: name a directory with "
                          "--state-dir");
                return -EINVAL;
        }
        if (options->socket)
                ret->socket = strdup(options->socket);
        else
                ret->socket = text_format("%s/%s", ret->runtime, SOCKET_NAME);
        return ret->socket ? 0 : -ENOMEM;
}

static void close_signals(Daemon *daemon)
{
        for (size_t i = 0; i < ARRAY_SIZE(daemon->signals); i++)
                if (!uv_is_closing((uv_handle_t *)&daemon->signals[i]))
                        uv_close((uv_handle_t *)&daemon->signals[i], NULL);
        reload_close(&daemon->reload);
        if (!uv_is_closing((uv_handle_t *)&daemon->goodbye)) {
                uv_close((uv_handle_t *)&daemon->goodbye, NULL);
                uv_close((uv_handle_t *)&daemon->watchdog, NULL);
        }
}

static void on_watchdog(uv_timer_t *timer)
{
        (void)timer;
        sd_notify(0, "WATCHDOG=1");
}

/* systemd ends a daemon whose loop hangs; half its time leaves room for a slow round. */
static void start_watchdog(Daemon *daemon)
{
        uint64_t usec;

        if (sd_watchdog_enabled(1, &usec) > 0)
                uv_timer_start(&daemon->watchdog, on_watchdog, usec / 2000, usec / 2000);
}

/* Whether the disk has taken more of the logs since the last call. */
static bool daemon_logs_move(Daemon *daemon)
{
        const DiskQueue *logs = daemon->parts.manager->home.disk;
        uint64_t before = daemon->log_progress;

        daemon->log_progress = disk_queue_progress(logs);
        return !disk_queue_is_idle(logs) && daemon->log_progress != before;
}

static void log_late_logs(const DiskQueue *logs, bool moved)
{
        log_warning("the disk %s: the last output of guests may be missing in their logs; %zu "
                    "writes and removals of logs are given up",
                    moved ? "is too slow" : "did not answer in time", disk_queue_count(logs));
}

/* What is on disk is right at any time, but what was written last is still brought there: records
 * until DISK_MSEC are over, logs no longer than the disk takes something of them every
 * WORKERS_MSEC. */
static void on_last(uv_timer_t *timer)
{
        Daemon *daemon = timer->data;
        const Committer *records = daemon->parts.manager->home.records;
        const DiskQueue *logs = daemon->parts.manager->home.disk;
        bool is_written = committer_is_idle(records), moved = daemon_logs_move(daemon);

        if ((!is_written || moved) && uv_now(timer->loop) < daemon->disk_at) {
                uv_timer_start(timer, on_last, WORKERS_MSEC, 0);
                return;
        }
        manager_unlock(
                daemon->parts.manager); /* a worker that cannot even be killed would keep it so */
        if (!is_written) {
                _cleanup_free_ char *names = committer_list_unwritten(records);

                log_error("the disk did not answer for %d s: going down, and if the host crashes "
                          "before the disk has them, these records may go back to the versions "
                          "before: %s",
                          DISK_MSEC / 1000, names ?: "none of a CVM that is still there");
                log_stop();
                _exit(EXIT_FAILURE);
        }
        if (!disk_queue_is_idle(logs))
                log_late_logs(logs, moved);
        else
                log_warning("a file does not answer: going down without the worker that reads it");
        log_stop();
        _exit(0);
}

/* Launches that are not done belong to calls that end now: they are undone first. CVMs that run
 * keep running; a later daemon finds them by their records. */
static void on_goodbye(uv_timer_t *timer)
{
        Daemon *daemon = timer->data;

        if (uv_now(timer->loop) < daemon->goodbye_at &&
            (launches_are_pending(daemon->parts.manager) ||
             !committer_is_idle(daemon->parts.manager->home.records)))
                return;
        events_end(daemon->parts.manager->home.events);
        wire_server_close(TAKE_PTR(daemon->server));
        vsock_close(TAKE_PTR(daemon->vsock));
        parts_close(&daemon->parts);
        close_signals(daemon);
        (void)daemon_logs_move(daemon);
        uv_timer_start(&daemon->last, on_last, WORKERS_MSEC, 0);
}

static void on_signal(uv_signal_t *handle, int signal)
{
        Daemon *daemon = handle->data;
        Manager *manager = daemon->parts.manager;

        if (manager->closing)
                return;
        log_info("exiting on %s", signal == SIGINT ? "SIGINT" : "SIGTERM");
        sd_notify(0, "STOPPING=1");
        manager->closing = true;
        launches_cancel(manager, "the daemon is shutting down");
        daemon->goodbye_at = uv_now(handle->loop) + GOODBYE_MSEC;
        daemon->disk_at = uv_now(handle->loop) + DISK_MSEC;
        uv_timer_start(&daemon->goodbye, on_goodbye, 0, 10);
}

/* listeners: what systemd passed. */
static int listen_on(Daemon *daemon, const Config *config, const int *listeners, size_t n,
                     const char *path)
{
        struct group *group = geteuid() == 0 ? getgrnam(config->users_group) : NULL;
        int r;

        for (size_t i = 0; i < n; i++) {
                r = wire_server_listen_fd(daemon->server, listeners[i]);
                if (r < 0) {
                        log_error("cannot listen on the socket that systemd passed: %s",
                                  strerror(-r));
                        return r;
                }
        }
        if (n > 0)
                return 0;
        /* Without the group only root and the daemon's own user may connect. */
        r = wire_server_listen_path(daemon->server, path, group ? 0660 : 0600,
                                    group ? group->gr_gid : (gid_t)-1);
        if (r == -EADDRINUSE)
                log_error("another daemon listens on %s", path);
        else if (r == -ENAMETOOLONG)
                log_error("the socket's path is longer than 107 bytes: %s", path);
        else if (r == -EEXIST)
                log_error("%s exists and is not a socket", path);
        else if (r < 0)
                log_error("cannot listen on %s: %s", path, strerror(-r));
        return r;
}

static int daemon_start(Daemon *daemon, const Config *config, const Paths *paths)
{
        static const WireServerInfo info = {.vendor = "cvmd",
                                            .product = "cvmd",
                                            .version = CVMD_VERSION,
                                            .url = "man:io.cvmd.Manager(7)"};
        const ManagerDirectories directories = {paths->runtime, paths->state};
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ int *listeners = NULL;
        size_t n_listeners;
        int r;

        r = fdstore_init(&listeners, &n_listeners);
        if (r < 0)
                return r;
        /* now, as all that is open by now stays open until the end, or is above what it fills */
        r = fork_reserve();
        if (r < 0)
                log_warning("the limit of descriptors is low (RLIMIT_NOFILE): %s", strerror(-r));
        r = forker_start();
        if (r < 0)
                log_warning("cannot start the process that makes children: %s", strerror(-r));
        r = log_start();
        if (r < 0)
                log_warning("cannot start the thread that writes the log: %s", strerror(-r));
        r = parts_start(&daemon->loop, config, &directories, &daemon->parts, &error);
        if (r < 0) {
                if (cvm_error_is_set(&error)) /* else it is logged */
                        log_failure(LOG_LEVEL_ERROR, NULL, NULL, "cannot start", &error);
                return r;
        }
        fdstore_drop_rest();
        r = vsock_listen(daemon->parts.manager, &daemon->vsock);
        if (r < 0)
                return r;
        r = wire_server_new(&daemon->loop, &info, &api_interface, 1, daemon->parts.manager,
                            &daemon->server);
        if (r < 0)
                return r;
        api_observe(daemon->parts.manager, &api_interface, daemon->server);
        return listen_on(daemon, config, listeners, n_listeners, paths->socket);
}

static void log_finding(const char *finding)
{
        log_warning("configuration: %s", finding);
}

/* Takes config. Returns an exit status. */
static int daemon_run(const Options *options, Config *config, const Paths *paths)
{
        static const int numbers[] = {SIGTERM, SIGINT};
        Daemon daemon = {};
        int r;

        r = uv_loop_init(&daemon.loop);
        if (r < 0) {
                config_free(config);
                return EXIT_FAILURE;
        }
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
                uv_signal_init(&daemon.loop, &daemon.signals[i]);
                daemon.signals[i].data = &daemon;
                uv_signal_start(&daemon.signals[i], on_signal, numbers[i]);
        }
        uv_timer_init(&daemon.loop, &daemon.goodbye);
        daemon.goodbye.data = &daemon;
        uv_timer_init(&daemon.loop, &daemon.watchdog);
        uv_timer_init(&daemon.loop, &daemon.last);
        daemon.last.data = &daemon;
        uv_unref((uv_handle_t *)&daemon.last); /* it keeps no loop going that has come to its end */
        reload_init(&daemon.reload, &daemon.loop, options->config, paths->state, config);
        config_review(config, log_finding);

        r = daemon_start(&daemon, config, paths);
        daemon.reload.manager = daemon.parts.manager;
        daemon.reload.server = daemon.server;
        if (r < 0) {
                wire_server_close(TAKE_PTR(daemon.server));
                vsock_close(TAKE_PTR(daemon.vsock));
                parts_close(&daemon.parts);
                close_signals(&daemon);
        } else {
                log_info("cvmd %s listens on %s, %zu CVMs", CVMD_VERSION, paths->socket,
                         daemon.parts.manager->home.table.n);
                start_watchdog(&daemon);
                sd_notify(0, "READY=1");
        }
        uv_run(&daemon.loop, UV_RUN_DEFAULT);
        uv_close((uv_handle_t *)&daemon.last, NULL);
        uv_run(&daemon.loop, UV_RUN_DEFAULT);
        parts_free(&daemon.parts);
        forker_stop();
        reload_done(&daemon.reload);
        if (uv_loop_close(&daemon.loop) < 0)
                log_error("the event loop did not close cleanly");
        if (daemon.parts.misconfigured)
                return EX_CONFIG;
        return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Arranges descriptors and threads for all CVMs and clients; secrets never reach a core file. */
static void set_up_process(void)
{
        struct rlimit files;

        heap_prepare();
        if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
                files.rlim_cur = MIN(files.rlim_max, FOREIGN_FDS_MAX);
                setrlimit(RLIMIT_NOFILE, &files);
        }
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        /* A daemon that does not run as root could not use its own /proc/self/fd any more. */
        if (geteuid() == 0)
                prctl(PR_SET_DUMPABLE, 0);
        signal(SIGPIPE, SIG_IGN);
        /* They read what clients name: a dead file system that blocks one must not block all. */
        setenv("UV_THREADPOOL_SIZE", TURNS_THREADS, 0);
        umask(0077);
}

int main(int argc, char **argv)
{
        _cleanup_(config_freep) Config *config = NULL;
        _cleanup_(paths_done) Paths paths = {};
        _cleanup_free_ char *message = NULL;
        Options options;
        int status;

        if (fd_occupy_standard() < 0)
                return EXIT_FAILURE; /* nothing says so: a message could reach another file */
        if (parse_options(argc, argv, &options) < 0)
                return EX_USAGE;
        if (options.done)
                return 0;
        log_init(options.log_level);
        set_up_process();
        if (find_paths(&options, &paths) < 0)
                return EX_CONFIG;
        if (config_load(options.config, paths.state, &config, &message) < 0) {
                log_error("%s", message ?: "out of memory");
                return EX_CONFIG;
        }
        if (options.check) {
                config_review(config, log_finding);
                return 0;
        }
        status = daemon_run(&options, TAKE_PTR(config), &paths);
        log_stop();
        if (drivers_have_threads(driver_all)) {
                fflush(NULL);
                _exit(status);
        }
        return status;
}

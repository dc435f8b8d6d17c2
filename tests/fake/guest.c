/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/fake.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define BUTTON_MSEC 20 /* from the power button to the guest's power-off */
#define FAREWELL_MSEC 1000
#define CONSOLE_CHUNK 4096u
#define NOTIFY_CHUNK 128u /* lines */
#define GARBAGE_LINE 70000u

Run machine_run;

/* The guest's own clock stands still while it does not run. */
static int64_t guest_ms, running_since;
static bool booted;
static int64_t console_left, notify_left;

typedef enum Deed {
        DEED_READY,
        DEED_DIE,
        DEED_EXIT,
        DEED_OFF,
        DEED_RESET,
        DEED_PANIC,
        DEED_INTERNAL_ERROR,
        DEED_IO_ERROR,
        DEED_NOISE,
        DEED_BUTTON,
        _DEED_MAX
} Deed;
static int64_t due[_DEED_MAX] = {[0 ... _DEED_MAX - 1] = -1}; /* by the guest's clock; -1: never */

static int64_t now_ms(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

static int64_t guest_now(void)
{
        return guest_ms + (machine_run == RUN_RUNNING ? now_ms() - running_since : 0);
}

const char *machine_status(void)
{
        static const char *const names[] = {
                [RUN_PRELAUNCH] = "prelaunch",     [RUN_RUNNING] = "running",
                [RUN_PAUSED] = "paused",           [RUN_SHUTDOWN] = "shutdown",
                [RUN_PANICKED] = "guest-panicked", [RUN_INTERNAL_ERROR] = "internal-error",
                [RUN_IO_ERROR] = "io-error",
        };
        return names[machine_run];
}

static void halt(Run run)
{
        if (machine_run != RUN_RUNNING)
                return;
        guest_ms = guest_now();
        machine_run = run;
        qmp_event("STOP", NULL);
}

static void boot(void)
{
        booted = true;
        due[DEED_READY] = behaviour.no_ready ? -1 : behaviour.ready_ms;
        due[DEED_DIE] = behaviour.die_ms;
        due[DEED_EXIT] = behaviour.exit_ms;
        due[DEED_OFF] = behaviour.poweroff_ms;
        due[DEED_RESET] = behaviour.reset_ms;
        due[DEED_PANIC] = behaviour.panic_ms;
        due[DEED_INTERNAL_ERROR] = behaviour.internal_error_ms;
        due[DEED_IO_ERROR] = behaviour.io_error_ms;
        due[DEED_NOISE] = behaviour.qmp_garbage_ms;
        if (behaviour.eat > 0)
                memset(must_have(malloc((size_t)behaviour.eat)), 1, (size_t)behaviour.eat);
        console_left = behaviour.console_bytes;
        notify_left = behaviour.notify_lines;
        link_printf(&console, "Linux version 0 (fake)\r\nCommand line: %s\r\nfake-qemu: booted\r\n",
                    options.append ?: "");
        link_printf(&attestation, "attest\n");
        link_printf(&svsm_log, "[SVSM] fake-qemu: booted\n");
        if (behaviour.notify_garbage) {
                char *noise = must_have(malloc(GARBAGE_LINE));

                memset(noise, 'A', GARBAGE_LINE);
                memcpy(noise, "\xff\x00\x1b[2J\nREADY\n=1\nREADY=maybe\n", 27);
                noise[GARBAGE_LINE - 1] = '\n';
                link_send(&notify, noise, GARBAGE_LINE);
                free(noise);
        }
}

const char *machine_cont(void)
{
        if (machine_run == RUN_RUNNING)
                return NULL;
        if (machine_run == RUN_SHUTDOWN)
                return "Resetting the Virtual Machine is required";
        machine_run = RUN_RUNNING;
        running_since = now_ms();
        qmp_event("RESUME", NULL);
        if (!booted)
                boot();
        return NULL;
}

void machine_stop(void)
{
        halt(RUN_PAUSED);
}

void machine_press_power(void)
{
        qmp_event("POWERDOWN", NULL);
        if (!behaviour.ignore_powerdown && due[DEED_BUTTON] < 0 && guest_now() >= behaviour.deaf_ms)
                due[DEED_BUTTON] = guest_now() + BUTTON_MSEC;
}

void machine_shutdown(bool guest, const char *reason)
{
        char data[96];

        if (behaviour.no_reason)
                snprintf(data, sizeof(data), "{\"guest\": %s}", guest ? "true" : "false");
        else
                snprintf(data, sizeof(data), "{\"guest\": %s, \"reason\": \"%s\"}",
                         guest ? "true" : "false", reason);
        qmp_event("SHUTDOWN", data);
        if (!options.no_shutdown)
                machine_exit(0);
        halt(RUN_SHUTDOWN);
}

void machine_exit(int status)
{
        Link *const links[] = {&qmp, &console, &attestation, &svsm_log, &notify};
        int64_t end = now_ms() + FAREWELL_MSEC;

        for (size_t i = 0; i < ARRAY_SIZE(links); i++)
                while (links[i]->fd >= 0 && links[i]->n_out > 0 && now_ms() < end) {
                        poll(&(struct pollfd){.fd = links[i]->fd, .events = POLLOUT}, 1,
                             (int)(end - now_ms()));
                        link_flush(links[i]);
                }
        exit(status);
}

/* pvpanic says no more than that; a TD tells its VMM more. */
static void panic(void)
{
        const char *action = options.no_shutdown ? "pause" : "poweroff";
        char data[512];

        if (behaviour.panic_says)
                snprintf(data, sizeof(data),
                         "{\"action\": \"%s\", \"info\": {\"type\": \"tdx\", \"error-code\": 9, "
                         "\"message\": \"%s\"}}",
                         action, behaviour.panic_says);
        else
                snprintf(data, sizeof(data), "{\"action\": \"%s\"}", action);
        qmp_event("GUEST_PANICKED", data);
        if (options.no_shutdown)
                halt(RUN_PANICKED);
        else
                machine_shutdown(true, "guest-panic");
}

static void do_deed(Deed deed)
{
        switch (deed) {
        case DEED_READY:
                if (behaviour.status)
                        link_printf(&notify, "STATUS=%s\n", behaviour.status);
                if (behaviour.uptime)
                        link_printf(&notify, "X_CVMD_UPTIME_USEC=%s\n", behaviour.uptime);
                link_printf(&notify, "READY=1\n");
                if (behaviour.notify_part)
                        link_printf(&notify, "STATUS=half");
                link_printf(&console, "fake-qemu: ready\r\n");
                break;
        case DEED_DIE:
                if (behaviour.stderr_text)
                        fprintf(stderr, "%s\n", behaviour.stderr_text);
                signal(SIGSEGV, SIG_DFL);
                kill(getpid(), SIGSEGV);
                break;
        case DEED_EXIT:
                if (behaviour.stderr_text)
                        fprintf(stderr, "%s\n", behaviour.stderr_text);
                machine_exit(1);
        case DEED_OFF:
        case DEED_BUTTON:
                machine_shutdown(true, "guest-shutdown");
                break;
        case DEED_RESET:
                if (options.no_reboot)
                        machine_shutdown(true, "guest-reset");
                else
                        qmp_event("RESET", "{\"guest\": true, \"reason\": \"guest-reset\"}");
                break;
        case DEED_PANIC:
                panic();
                break;
        case DEED_INTERNAL_ERROR:
                fprintf(stderr, "KVM internal error. Suberror: 1\nRAX=0000000000000042\n");
                halt(RUN_INTERNAL_ERROR);
                break;
        case DEED_IO_ERROR:
                qmp_event("BLOCK_IO_ERROR", "{\"device\": \"\", \"node-name\": \"disk0\", "
                                            "\"operation\": \"write\", \"action\": \"stop\", "
                                            "\"nospace\": true, \"reason\": \"No space\"}");
                halt(RUN_IO_ERROR);
                break;
        case DEED_NOISE:
                qmp_noise();
                break;
        case _DEED_MAX:
                break;
        }
}

int guest_tick(void)
{
        int64_t next = -1;

        for (Deed deed = 0; deed < _DEED_MAX; deed++) {
                if (machine_run != RUN_RUNNING)
                        return -1;
                if (due[deed] < 0)
                        continue;
                if (due[deed] <= guest_now()) {
                        due[deed] = -1;
                        do_deed(deed);
                } else if (next < 0 || due[deed] - guest_now() < next) {
                        next = due[deed] - guest_now();
                }
        }
        return machine_run == RUN_RUNNING ? (int)next : -1;
}

void guest_fill_console(void)
{
        char chunk[CONSOLE_CHUNK];
        size_t n;

        console.more = machine_run == RUN_RUNNING && console_left > 0 && console.fd >= 0;
        if (!console.more || console.n_out > 0)
                return;
        n = console_left < (int64_t)sizeof(chunk) ? (size_t)console_left : sizeof(chunk);
        for (size_t i = 0; i < n; i++)
                chunk[i] = i % 64 == 63 ? '\n' : (char)('0' + i % 64);
        console_left -= (int64_t)n;
        link_send(&console, chunk, n);
}

void guest_fill_notify(void)
{
        notify.more = machine_run == RUN_RUNNING && notify_left > 0 && notify.fd >= 0;
        if (!notify.more || notify.n_out > 0)
                return;
        for (size_t i = 0; i < NOTIFY_CHUNK && notify_left > 0; i++, notify_left--)
                link_printf(&notify, "STATUS=line %lld \xe2\x80\xae\x1b[2J \xff\n",
                            (long long)notify_left);
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_object *list_certs(int fd)
{
        json_object *list = json_object_new_array();
        DIR *dir = fdopendir(fd);
        struct dirent *entry;
        char *names[1024];
        size_t n = 0;

        while (dir && n < ARRAY_SIZE(names) && (entry = readdir(dir)))
                if (entry->d_name[0] != '.')
                        names[n++] = must_have(strdup(entry->d_name));
        qsort(names, n, sizeof(names[0]), compare);
        for (size_t i = 0; i < n; i++)
                json_object_array_add(list, json_object_new_string(names[i]));
        return list;
}

const char *agent_answer(void)
{
        static const char *text;
        json_object *certs = NULL;
        int64_t env_size = -1;
        struct stat st;

        if (text)
                return text;
        for (size_t i = 0; i < options.n_shares; i++) {
                const Share *share = &options.shares[i];

                if (!share->tag)
                        continue;
                if (strcmp(share->tag, "env_share") == 0 &&
                    fstatat(share->fd, "environment", &st, 0) == 0)
                        env_size = st.st_size;
                if (strcmp(share->tag, "certs_share") == 0)
                        certs = list_certs(share->fd);
        }
        if (asprintf((char **)&text, "{\"fake\":true,\"envSize\":%lld,\"certs\":%s}\n",
                     (long long)env_size,
                     certs ? json_object_to_json_string_ext(certs, JSON_C_TO_STRING_PLAIN) : "[]") <
            0)
                exit(1);
        return text;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/host_access.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/child_setup.h"
#include "base/fork.h"
#include "base/hash_pair.h"
#include "base/json.h"
#include "base/memfd.h"
#include "base/text.h"
#include "host/host.h"
#include "local/log.h"
#include "manager/manager.h"

#define OUTPUT_MAX 512
#define DEFAULT_RUNTIME "/run/cvmd"

static int table_name(const Manager *manager, char ret[static HOST_ACCESS_TABLE_MAX])
{
        HashPairDigest digest;
        int r;

        if (strcmp(manager->home.runtime_path, DEFAULT_RUNTIME) == 0) {
                snprintf(ret, HOST_ACCESS_TABLE_MAX, "cvmd");
                return 0;
        }
        r = hash_pair_bytes(manager->home.runtime_path, strlen(manager->home.runtime_path),
                            &digest);
        if (r == 0)
                snprintf(ret, HOST_ACCESS_TABLE_MAX, "cvmd_%02x%02x%02x%02x", digest.sha256[0],
                         digest.sha256[1], digest.sha256[2], digest.sha256[3]);
        return r;
}

/* Only async-signal-safe calls here (signal-safety(7)). */
static void host_access_child(const char *nft, int rules, int output)
{
        char *const argv[] = {(char *)nft, (char *)"-f", (char *)"-", NULL};
        char *const environment[] = {NULL};

        child_setup_signals();
        if (dup2(rules, STDIN_FILENO) < 0 || dup2(output, STDOUT_FILENO) < 0 ||
            dup2(output, STDERR_FILENO) < 0 || chdir("/") < 0 || fork_end_with_parent() < 0)
                _exit(126);
        execve(nft, argv, environment);
        _exit(127);
}

/* 0, -ETIMEDOUT, or -EIO: it has failed. */
static int wait_for(pid_t pid, int pidfd)
{
        struct pollfd ended = {.fd = pidfd, .events = POLLIN};
        siginfo_t info = {};
        int n;

        do
                n = poll(&ended, 1, HOST_ACCESS_MSEC);
        while (n < 0 && errno == EINTR);
        if (n <= 0)
                kill(pid, SIGKILL); /* our own child, not reaped yet: the pid is its */
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) < 0)
                if (errno != EINTR)
                        return -errno;
        if (n <= 0)
                return -ETIMEDOUT;
        return info.si_code == CLD_EXITED && info.si_status == 0 ? 0 : -EIO;
}

/* What nft said, on one line. */
static char *last_words(int fd)
{
        char text[OUTPUT_MAX + 1];
        ssize_t n = pread(fd, text, OUTPUT_MAX, 0);

        if (n <= 0)
                return NULL;
        text[n] = 0;
        text[strcspn(text, "\n")] = 0;
        return text_make_utf8(text, strlen(text));
}

/* Has nft read these rules. *ret_said may be NULL on failure. */
static int run_nft(const char *rules, char **ret_said)
{
        _cleanup_close_ int input = memfd_from_bytes("nft-rules", rules, strlen(rules));
        _cleanup_close_ int output = memfd_new("nft-output"), pidfd = -1;
        const char *nft = host_find_nft("");
        int fds[2] = {input, output}, r;
        pid_t pid;

        if (!nft)
                return -ENOENT;
        if (input < 0 || output < 0)
                return input < 0 ? input : output;
        if (lseek(input, 0, SEEK_SET) < 0)
                return -errno;
        pid = fork_bare(fds, ARRAY_SIZE(fds), 0, &pidfd);
        if (pid < 0)
                return pid;
        if (pid == 0)
                host_access_child(nft, fds[0], fds[1]);
        r = wait_for(pid, pidfd);
        if (r < 0)
                *ret_said = last_words(output);
        return r;
}

/* Also CVMs that a daemon with other uids in its configuration has started. */
static int add_uids(const Manager *manager, Buffer *rules)
{
        const Config *config = manager->home.config;
        int r = buffer_appendf(rules, "%u-%u", config->uid_first, config->uid_last);
        const Vm *vm;

        VM_TABLE_FOREACH_LIVE (vm, &manager->home.table) {
                /* a uid that its driver chooses has other processes, too */
                if (r == 0 && vm->reserved.uid && !(vm->ops && vm->ops->uid) &&
                    (vm->reserved.uid < config->uid_first || vm->reserved.uid > config->uid_last))
                        r = buffer_appendf(rules, ", %u", vm->reserved.uid);
        }
        return r;
}

/* One transaction: there is no moment without the rules. The table is created first, so that the
 * deletion succeeds also if it did not exist. TCP is refused by a reset: the kernel limits how many
 * ICMP messages it sends, and a client that gets none tries again for seconds. */
static int write_rules(const Manager *manager, const char *table, bool deny, Buffer *rules)
{
        int r = buffer_appendf(rules, "table inet %s\ndelete table inet %s\n", table, table);

        if (r < 0 || !deny)
                return r;
        r = buffer_appendf(rules,
                           "table inet %s {\n"
                           "\tchain refuse {\n"
                           "\t\tmeta l4proto tcp reject with tcp reset\n"
                           "\t\treject\n"
                           "\t}\n"
                           "\tchain output {\n"
                           "\t\ttype filter hook output priority filter; policy accept;\n"
                           "\t\toif != \"lo\" accept\n"
                           "\t\tct state != new accept\n"
                           "\t\tmeta l4proto { tcp, udp } th dport 53 accept\n"
                           "\t\tmeta skuid { ",
                           table);
        if (r == 0)
                r = add_uids(manager, rules);
        return r ?: buffer_append_text(rules, " } goto refuse\n\t}\n}\n");
}

static int set_table(Manager *manager, bool deny, char **ret_said)
{
        _cleanup_(buffer_done) Buffer rules = {};
        char table[HOST_ACCESS_TABLE_MAX];
        int r = table_name(manager, table);

        if (r == 0)
                r = write_rules(manager, table, deny, &rules);
        return r ?: run_nft(rules.data, ret_said);
}

void host_access_apply(Manager *manager)
{
        bool deny = manager->home.config->host_access == HOST_ACCESS_DENY,
             had = manager->host_access == HOST_ACCESS_DENIED;
        _cleanup_free_ char *said = NULL;
        int r;

        if (!manager->privileged)
                return;
        manager->host_access = deny ? HOST_ACCESS_OPEN : HOST_ACCESS_ALLOWED;
        if (!deny && !had && !host_find_nft(""))
                return;
        r = set_table(manager, deny, &said);
        if (r == 0 && deny)
                manager->host_access = HOST_ACCESS_DENIED;
        else if (r < 0 && !deny)
                log_warning("nft failed to remove the table that restricts guests: %s",
                            said ?: strerror(-r));
        else if (r < 0)
                log_warning("%s: %s: guests on network 'user' can reach this host's own addresses",
                            r == -ENOENT ? "nft is not installed (package nftables)"
                                         : "nft failed to set up the table that restricts guests",
                            said ?: strerror(-r));
}

void host_access_remark(const Manager *manager, Vm *vm)
{
        static const char text[] = "the guest can reach this host's own addresses";

        /* as it was given: without one it is the default, network "user" */
        const char *network = json_member_string(vm->spec, "network");

        if (manager->host_access != HOST_ACCESS_OPEN || (network && strcmp(network, "user") != 0))
                return;
        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "%s", text);
        vm_emit(vm, "note", NULL, NULL, json_build("text", json_object_new_string(text), NULL));
}

void host_access_end(Manager *manager)
{
        _cleanup_free_ char *said = NULL;
        size_t first = 0;
        int r;

        if (!manager->privileged || manager->host_access == HOST_ACCESS_ALLOWED ||
            !host_find_nft(""))
                return;
        if (vm_table_next_live(&manager->home.table, &first))
                return;
        r = set_table(manager, false, &said);
        if (r < 0)
                log_warning("nft failed to remove the table that restricts guests: %s",
                            said ?: strerror(-r));
}

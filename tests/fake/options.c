/* SPDX-License-Identifier: Apache-2.0 */
#include "fake/fake.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* The argument being looked at, for messages: "-netdev user,…". */
static const char *option_name, *option_value;

static void fail(const char *format, ...) _printf_(1, 2) __attribute__((noreturn));
static void fail(const char *format, ...)
{
        va_list ap;

        fprintf(stderr, "%s: ", program);
        if (option_name)
                fprintf(stderr, "-%s%s%s: ", option_name, option_value ? " " : "",
                        option_value ?: "");
        va_start(ap, format);
        vfprintf(stderr, format, ap);
        va_end(ap);
        fputc('\n', stderr);
        exit(1);
}

/* The nth value of `key` in "implied,key=value,…" (a doubled comma is one) or in a JSON object;
 * `implied` names the first word that has no '='. NULL: there is none. */
static char *value_of(const char *text, const char *implied, const char *key, unsigned nth)
{
        if (*text == '{') {
                json_object *object = json_tokener_parse(text), *value;

                if (!object)
                        fail("JSON parse error");
                if (nth > 0 || !json_object_object_get_ex(object, key, &value))
                        return NULL;
                return must_have(strdup(json_object_get_string(value)));
        }
        for (const char *p = text; *p;) {
                char *word = must_have(calloc(1, strlen(p) + 1)), *equals;
                size_t n = 0;

                while (*p && (*p != ',' || p[1] == ',')) {
                        p += *p == ',';
                        word[n++] = *p++;
                }
                equals = strchr(word, '=');
                if (equals)
                        *equals = 0;
                if (strcmp(equals ? word : implied, key) == 0 && nth-- == 0)
                        return equals ? equals + 1 : word;
                implied = "";
                p += *p == ',';
        }
        return NULL;
}

static bool is_socket(int fd)
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

/* Chardevs by id, until a user of each is found. */
static struct {
        char *id;
        int fd;         /* -1: no socket */
        bool connected; /* rather than listening */
} chardevs[32];
static size_t n_chardevs;

static void add_chardev(const char *text)
{
        char *type = value_of(text, "backend", "backend", 0), *id = value_of(text, "", "id", 0);
        char *fd = value_of(text, "", "fd", 0), *server = value_of(text, "", "server", 0);

        if (!id)
                fail("Parameter 'id' is missing");
        if (n_chardevs == ARRAY_SIZE(chardevs))
                fail("too many chardevs");
        chardevs[n_chardevs].id = id;
        chardevs[n_chardevs].fd = -1;
        if (type && strcmp(type, "socket") == 0 && fd) {
                int number = (int)strtol(fd, NULL, 10);

                if (!is_socket(number))
                        fail("File descriptor '%s' is not a socket", fd);
                /* the listen that QEMU's socket_listen() makes of an inherited socket as well */
                chardevs[n_chardevs].connected = !server || strcmp(server, "on") != 0;
                if (!chardevs[n_chardevs].connected && listen(number, 1) < 0)
                        fail("Failed to listen on fd socket: %s", strerror(errno));
                fcntl(number, F_SETFD, FD_CLOEXEC);
                chardevs[n_chardevs].fd = number;
        }
        n_chardevs++;
}

/* Gives `link` the chardev; false if there is none of that id. */
static bool use_chardev(const char *id, Link *link)
{
        for (size_t i = 0; i < n_chardevs; i++)
                if (strcmp(chardevs[i].id, id) == 0) {
                        if (link)
                                *link = (Link){.id = id,
                                               .listener =
                                                       chardevs[i].connected ? -1 : chardevs[i].fd,
                                               .fd = chardevs[i].connected ? chardevs[i].fd : -1};
                        return true;
                }
        return false;
}

/* "tcp:127.0.0.1:6100-:7002", as slirp takes it: SO_REUSEADDR first for TCP alone. */
static void add_forward(const char *rule)
{
        Forward *forward = &options.forwards[options.n_forwards];
        struct sockaddr_in address = {.sin_family = AF_INET};
        char protocol[16], host[64] = "", guest[64];
        unsigned host_port, guest_port;
        int yes = 1;

        if (options.n_forwards == FORWARDS_MAX)
                fail("too many forwards");
        if (sscanf(rule, "%15[a-z]:%63[^:]:%u-%63s", protocol, host, &host_port, guest) != 4 &&
            sscanf(rule, "%15[a-z]::%u-%63s", protocol, &host_port, guest) != 3)
                fail("Invalid host forwarding rule '%s' (Bad host port separator)", rule);
        if (!strrchr(guest, ':') || sscanf(strrchr(guest, ':'), ":%u", &guest_port) != 1 ||
            guest_port == 0 || guest_port > UINT16_MAX)
                fail("Invalid host forwarding rule '%s' (Bad guest port)", rule);
        if (host_port > UINT16_MAX)
                fail("Invalid host forwarding rule '%s' (Bad host port)", rule);
        if (*host && inet_pton(AF_INET, host, &address.sin_addr) != 1)
                fail("Invalid host forwarding rule '%s' (Bad host address)", rule);
        forward->tcp = strcmp(protocol, "tcp") == 0;
        if (!forward->tcp && strcmp(protocol, "udp") != 0)
                fail("Invalid host forwarding rule '%s' (Bad protocol name)", rule);
        forward->guest_port = (uint16_t)guest_port;
        address.sin_port = htons((uint16_t)host_port);

        forward->fd =
                socket(AF_INET,
                       (forward->tcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (forward->tcp)
                setsockopt(forward->fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        if (forward->fd < 0 ||
            bind(forward->fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
            (forward->tcp && listen(forward->fd, 1) < 0))
                fail("Could not set up host forwarding rule '%s'", rule);
        options.n_forwards++;
}

/* Descriptors of -add-fd by the number of their set, at most one a set. */
static int fd_sets[32];

static void add_fd(const char *text)
{
        char *fd = value_of(text, "fd", "fd", 0), *set = value_of(text, "fd", "set", 0);
        long number = fd ? strtol(fd, NULL, 10) : -1, index = set ? strtol(set, NULL, 10) : -1;

        if (number < 0 || fcntl((int)number, F_GETFL) < 0)
                fail("fd is not valid or already in use");
        if (index < 0 || (size_t)index >= ARRAY_SIZE(fd_sets))
                fail("set is missing or too high");
        fd_sets[index] = (int)number + 1; /* 0: none */
}

/* Opens nothing anew: a disk is a descriptor whose access is the node's. */
static void add_blockdev(const char *text)
{
        static const char prefix[] = "/dev/fdset/";
        char *file = value_of(text, "driver", "file", 0), *read_only, *name;
        long set;
        int fd, wanted;

        name = file && *file == '{' ? value_of(file, "", "filename", 0) : NULL;
        if (!name || strncmp(name, prefix, strlen(prefix)) != 0)
                return;
        set = strtol(name + strlen(prefix), NULL, 10);
        fd = set >= 0 && (size_t)set < ARRAY_SIZE(fd_sets) ? fd_sets[set] - 1 : -1;
        read_only = value_of(text, "driver", "read-only", 0);
        wanted = read_only && strcmp(read_only, "true") == 0 ? O_RDONLY : O_RDWR;
        if (fd < 0 || (fcntl(fd, F_GETFL) & O_ACCMODE) != wanted)
                fail("Could not open '%s': %s", name, strerror(fd < 0 ? ENOENT : EACCES));
}

static void add_netdev(const char *text)
{
        char *type = value_of(text, "type", "type", 0), *rule;

        for (unsigned i = 0; type && strcmp(type, "user") == 0; i++) {
                rule = value_of(text, "type", "hostfwd", i);
                if (!rule)
                        break;
                add_forward(rule);
        }
}

static void add_fsdev(const char *text)
{
        Share *share = &options.shares[options.n_shares];

        if (options.n_shares == SHARES_MAX)
                fail("too many fsdevs");
        share->id = value_of(text, "fsdriver", "id", 0);
        share->path = value_of(text, "fsdriver", "path", 0);
        if (!share->id || !share->path)
                fail("fsdev: No id or path specified");
        share->fd = -1;
        options.n_shares++;
}

static void attach_share(const char *id, char *tag)
{
        for (size_t i = 0; i < options.n_shares; i++) {
                Share *share = &options.shares[i];

                if (strcmp(share->id, id) != 0)
                        continue;
                share->tag = tag;
                share->fd = open(share->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (share->fd < 0)
                        fail("cannot initialize fsdev '%s': failed to open '%s': %s", id,
                             share->path, strerror(errno));
                return;
        }
        fail("9pfs device couldn't find fsdev with the id = %s", id);
}

/* COM1 is port 0. */
static bool use_port(size_t n, const char *chardev)
{
        static Link *const ports[4] = {[0] = &console, [2] = &attestation, [3] = &svsm_log};

        if (n >= ARRAY_SIZE(ports))
                fail("too many serial ports");
        return use_chardev(chardev, ports[n]);
}

static void add_device(const char *text)
{
        static bool has_serial_bus;
        char *driver = value_of(text, "driver", "driver", 0);
        char *fsdev = value_of(text, "driver", "fsdev", 0);
        char *chardev = value_of(text, "driver", "chardev", 0);

        if (!driver)
                fail("Parameter 'driver' is missing");
        if (strncmp(driver, "virtio-serial", 13) == 0)
                has_serial_bus = true;
        if (strcmp(driver, "virtserialport") == 0) {
                char *name = value_of(text, "driver", "name", 0);

                if (!has_serial_bus)
                        fail("No 'virtio-serial-bus' bus found for device 'virtserialport'");
                if (chardev &&
                    !use_chardev(chardev,
                                 name && strcmp(name, "io.cvmd.notify") == 0 ? &notify : NULL))
                        fail("Property 'virtserialport.chardev' can't find value '%s'", chardev);
        }
        if (strcmp(driver, "isa-serial") == 0 && chardev) {
                char *index = value_of(text, "driver", "index", 0);

                if (!use_port(index ? strtoul(index, NULL, 10) : 0, chardev))
                        fail("Property 'isa-serial.chardev' can't find value '%s'", chardev);
        }
        if (fsdev)
                attach_share(fsdev, value_of(text, "driver", "mount_tag", 0));
}

static void add_monitor(const char *text)
{
        char *id = value_of(text, "chardev", "chardev", 0);
        char *mode = value_of(text, "chardev", "mode", 0);

        if (!id || !use_chardev(id, mode && strcmp(mode, "control") == 0 ? &qmp : NULL))
                fail("chardev \"%s\" not found", id ?: "");
}

static void add_qmp(const char *text)
{
        if (strncmp(text, "chardev:", 8) == 0 && !use_chardev(text + 8, &qmp))
                fail("chardev \"%s\" not found", text + 8);
}

static void add_serial(const char *text)
{
        static size_t n;

        if (strncmp(text, "chardev:", 8) == 0 && !use_port(n, text + 8))
                fail("could not connect serial device to character backend '%s'", text);
        n++;
}

static void add_object(const char *text)
{
        char *type = value_of(text, "qom-type", "qom-type", 0);

        if (type && strcmp(type, "igvm-cfg") == 0)
                options.igvm = must_have(value_of(text, "qom-type", "file", 0));
}

static void check_kernel(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char byte;

        if (fd < 0) {
                fprintf(stderr, "qemu: could not open kernel file '%s': %s\n", path,
                        strerror(errno));
                exit(1);
        }
        if (pread(fd, &byte, 1, 0) != 1) {
                /* the error that an earlier look for a firmware file left behind */
                fprintf(stderr, "qemu: could not load kernel '%s': %s\n", path, strerror(ENOENT));
                exit(1);
        }
        close(fd);
}

static void check_initrd(const char *path)
{
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        char byte;

        if (fd < 0 || pread(fd, &byte, 1, 0) != 1) {
                fprintf(stderr, "qemu: error reading initrd %s: %s\n", path,
                        fd < 0 ? strerror(errno) : "the file is empty");
                exit(1);
        }
        close(fd);
}

static void print_version(const char *text)
{
        puts("QEMU emulator version 7.2.0 (fake)");
        exit(0);
}

static void set_name(const char *text)
{
        options.name = value_of(text, "guest", "guest", 0);
}

static void set_uuid(const char *text)
{
        options.uuid = text;
}

static void set_cpus(const char *text)
{
        char *cpus = value_of(text, "cpus", "cpus", 0);

        options.cpus = cpus ? (unsigned)strtoul(cpus, NULL, 10) : 1;
}

static void set_append(const char *text)
{
        options.append = text;
}

/* In the order in which QEMU sets them up; each pass walks the whole command line. */
static const struct {
        const char *name;
        void (*handle)(const char *text);
} passes[] = {
        {"append", set_append}, {"smp", set_cpus},          {"name", set_name},
        {"uuid", set_uuid},     {"object", add_object},     {"chardev", add_chardev},
        {"fsdev", add_fsdev},   {"mon", add_monitor},       {"qmp", add_qmp},
        {"add-fd", add_fd},     {"blockdev", add_blockdev}, {"netdev", add_netdev},
        {"serial", add_serial}, {"kernel", check_kernel},   {"initrd", check_initrd},
        {"device", add_device},
};

static const struct {
        const char *name;
        bool *set;
} flags[] = {
        {"S", &options.stopped},
        {"no-shutdown", &options.no_shutdown},
        {"no-reboot", &options.no_reboot},
        {"nographic", NULL},
        {"nodefaults", NULL},
        {"no-user-config", NULL},
        {"enable-kvm", NULL},
        {"no-acpi", NULL},
        {"no-hpet", NULL},
        {"snapshot", NULL},
};

static bool is_flag(const char *name, bool **ret_set)
{
        for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
                if (strcmp(flags[i].name, name) == 0) {
                        *ret_set = flags[i].set;
                        return true;
                }
        return false;
}

/* Calls `handle` for each option `name`; without a name checks the form and sets the flags. */
static void walk(int argc, char **argv, const char *name, void (*handle)(const char *text))
{
        for (int i = 1; i < argc; i++) {
                const char *given = argv[i];
                bool *set = NULL;

                if (given[0] != '-')
                        fail("%s: Could not open '%s': no disks here", given, given);
                given += given[1] == '-' ? 2 : 1;
                if (strcmp(given, "version") == 0)
                        print_version(given);
                if (is_flag(given, &set)) {
                        if (set)
                                *set = true;
                        continue;
                }
                option_name = given;
                if (++i == argc)
                        fail("requires an argument");
                option_value = argv[i];
                if (name && strcmp(given, name) == 0)
                        handle(argv[i]);
                option_name = option_value = NULL;
        }
}

void options_parse(int argc, char **argv)
{
        walk(argc, argv, NULL, NULL);
        for (size_t i = 0; i < ARRAY_SIZE(passes); i++)
                walk(argc, argv, passes[i].name, passes[i].handle);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "root.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/text.h"
#include "log.h"
#include "notify.h"
#include "share.h"

#define MARK "/full"
#define MANAGER "/usr/lib/systemd/systemd"
#define NEW_ROOT "/root"
#define MEMORY "/memory"
#define MACHINE_ID "/etc/machine-id"
#define MACHINE_ID_LENGTH 32
#define VARIABLES "/sys/firmware/efi/efivars"
#define NO_ACCESS (MS_NOSUID | MS_NODEV | MS_NOEXEC)

int root_parse_layers(const char *text, RootLayers *ret)
{
        RootLayers layers = {};

        while (*text) {
                RootLayer *layer = layers.layers + layers.n_layers;
                int end = -1;

                if (layers.n_layers == ROOT_LAYERS_MAX ||
                    sscanf(text, "%48[a-z0-9.] %zu%*1[\n]%n", layer->path + 1, &layer->size,
                           &end) != 2 ||
                    end < 0)
                        return -EBADMSG;
                layer->path[0] = '/';
                layers.n_layers++;
                text += end;
        }
        if (layers.n_layers == 0)
                return -EBADMSG;
        *ret = layers;
        return 0;
}

int root_check_layer(const char *path, size_t size)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
        struct stat st;

        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        /* The kernel gives a file its size before it writes what fits. */
        if ((size_t)st.st_size != size || lseek(fd, 0, SEEK_HOLE) != st.st_size)
                return -ENOSPC;
        return 0;
}

bool root_has_layers(void)
{
        return access(MARK, F_OK) == 0;
}

/* What the machine's user is told; then the machine ends. */
_printf_(1, 2) static _Noreturn void root_refuse(const char *format, ...)
{
        Notify notify;
        char reason[256];
        va_list ap;

        va_start(ap, format);
        vsnprintf(reason, sizeof(reason), format, ap);
        va_end(ap);
        log_error("%s", reason);
        mkdir("/sys", 0555);
        mount("sysfs", "/sys", "sysfs", NO_ACCESS, NULL);
        notify_start(&notify);
        notify_send(&notify, "STATUS=%s\nSTOPPING=1\n", reason);
        notify_finish(&notify, 3000);
        reboot(RB_POWER_OFF);
        for (;;)
                pause();
}

/* Reads the list and checks that the initramfs is whole. */
static void root_find_layers(RootLayers *ret)
{
        _cleanup_free_ char *text = NULL;
        int r;

        r = file_read_at(AT_FDCWD, ROOT_LAYERS, 4096, &text, NULL);
        if (r == -ENOENT) /* the last entry */
                r = -ENOSPC;
        else if (r == 0)
                r = root_parse_layers(text, ret);
        for (size_t i = 0; r == 0 && i < ret->n_layers; i++)
                r = root_check_layer(ret->layers[i].path, ret->layers[i].size);
        if (r == -ENOSPC)
                root_refuse("Powering off: this machine has too little memory for its initramfs");
        if (r < 0)
                root_refuse("Powering off: " ROOT_LAYERS ": %s", strerror(-r));
}

/* Makes a file a read-only block device: a file in memory cannot be mounted by itself. For writing,
 * the kernel would not let it be mounted. */
static int root_attach_loop(const char *device, const char *path)
{
        _cleanup_close_ int file = open(path, O_RDONLY | O_CLOEXEC);
        struct loop_config config = {
                .fd = (uint32_t)file,
                .block_size = 4096,
                .info = {.lo_flags = LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR},
        };
        int loop;

        if (file < 0)
                return -errno;
        loop = open(device, O_RDONLY | O_CLOEXEC);
        if (loop < 0)
                return -errno;
        if (ioctl(loop, LOOP_CONFIGURE, &config) < 0) {
                int r = -errno;

                close(loop);
                return r;
        }
        return loop; /* kept open until it is mounted: then it detaches by itself */
}

/* Mounts a layer at /layerN. */
static int root_mount_layer(const RootLayer *layer, unsigned char n)
{
        _cleanup_close_ int loop = -1;
        char device[16], at[16];

        snprintf(device, sizeof(device), "/dev/loop%u", n);
        snprintf(at, sizeof(at), "/layer%u", n);
        loop = root_attach_loop(device, layer->path);
        if (loop < 0)
                return loop;
        mkdir(at, 0755);
        if (mount(device, at, "erofs", MS_RDONLY | MS_NODEV, NULL) < 0)
                return -errno;
        unlink(layer->path); /* nobody needs the name: the device has the file */
        return 0;
}

/* All layers and the memory on top, at NEW_ROOT. */
static int root_mount_overlay(const RootLayers *layers)
{
        char options[256] = "lowerdir=";
        size_t used = strlen(options);

        for (size_t i = layers->n_layers; i-- > 0;) {
                int r = root_mount_layer(layers->layers + i, (unsigned char)i);

                if (r < 0)
                        return r;
                used += (size_t)snprintf(options + used, sizeof(options) - used, "/layer%zu%s", i,
                                         i ? ":" : "");
        }
        snprintf(options + used, sizeof(options) - used,
                 ",upperdir=" MEMORY "/upper,workdir=" MEMORY "/work");
        mkdir(MEMORY, 0755);
        mkdir(NEW_ROOT, 0755);
        if (mount("tmpfs", MEMORY, "tmpfs", MS_NODEV, "mode=0755,size=75%,nr_inodes=0") < 0 ||
            mkdir(MEMORY "/upper", 0755) < 0 || mkdir(MEMORY "/work", 0755) < 0 ||
            mount("overlay", NEW_ROOT, "overlay", MS_NODEV, options) < 0)
                return -errno;
        return 0;
}

static int root_enter(void)
{
        if (mount("/dev", NEW_ROOT "/dev", NULL, MS_MOVE, NULL) < 0 || chdir(NEW_ROOT) < 0 ||
            mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0)
                return -errno;
        return 0;
}

/* What the service manager would mount by a unit each, which takes it several times as long. */
static void root_mount_system(void)
{
        static const struct {
                const char *type, *path;
                unsigned long flags;
                const char *options;
        } mounts[] = {
                {"proc", "/proc", NO_ACCESS, NULL},
                {"sysfs", "/sys", NO_ACCESS, NULL},
                {"tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755,size=20%"},
                {"tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777,size=50%"},
                {"configfs", "/sys/kernel/config", NO_ACCESS, NULL},
                {"mqueue", "/dev/mqueue", NO_ACCESS, NULL},
        };

        mkdir("/dev/mqueue", 0755);
        for (size_t i = 0; i < ARRAY_SIZE(mounts); i++)
                if (mount(mounts[i].type, mounts[i].path, mounts[i].type, mounts[i].flags,
                          mounts[i].options) < 0)
                        log_error("%s: %s", mounts[i].path, strerror(errno));
}

/* The firmware's variables are not measured, and systemd takes words of its command line from one
 * (SystemdOptions): it finds this empty file system mounted where it would mount them. */
static int root_hide_variables(void)
{
        if (mount("tmpfs", VARIABLES, "tmpfs", MS_RDONLY | NO_ACCESS, "mode=0555,size=4k") < 0 &&
            errno != ENOENT) /* no EFI, or none of its services at run time */
                return -errno;
        return 0;
}

/* Without an identifier in the image, systemd would take one from a credential or from the tables
 * of the firmware, which the host decides. */
static int root_identify(void)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_close_ int fd = -1;
        unsigned char bytes[MACHINE_ID_LENGTH / 2];
        char line[MACHINE_ID_LENGTH + 2];
        ssize_t n;

        if (file_read_at(AT_FDCWD, MACHINE_ID, 256, &text, NULL) == 0 &&
            strspn(text, "0123456789abcdef") == MACHINE_ID_LENGTH)
                return 0; /* of an overlay, so measured */
        n = getrandom(bytes, sizeof(bytes), 0);
        if (n != (ssize_t)sizeof(bytes))
                return n < 0 ? -errno : -EIO;
        bytes[6] = (bytes[6] & 0x0f) | 0x40; /* a UUID of version 4, see machine-id(5) */
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        for (size_t i = 0; i < sizeof(bytes); i++)
                snprintf(line + 2 * i, 3, "%02x", bytes[i]);
        line[MACHINE_ID_LENGTH] = '\n';
        fd = open(MACHINE_ID, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0444);
        return fd < 0 ? -errno : fd_write_all(fd, line, MACHINE_ID_LENGTH + 1);
}

_Noreturn void root_run(void)
{
        /* Nothing of what the kernel makes of its command line. */
        static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin";
        static char name[] = "/sbin/init";
        char *environment[] = {path, NULL}, *arguments[] = {name, NULL};
        Shares shares = {};
        RootLayers layers = {};
        int r;

        mkdir("/dev", 0755);
        mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
        root_find_layers(&layers);
        r = root_mount_overlay(&layers);
        if (r == 0)
                r = root_enter();
        if (r < 0)
                root_refuse("Powering off: the root cannot be mounted: %s", strerror(-r));
        root_mount_system();
        r = root_hide_variables();
        if (r < 0)
                root_refuse("Powering off: " VARIABLES ": %s", strerror(-r));
        r = root_identify();
        if (r < 0)
                root_refuse("Powering off: " MACHINE_ID ": %s", strerror(-r));
        shares_mount(&shares);
        shares_save(&shares, SHARES_FILE);
        execve(MANAGER, arguments, environment);
        root_refuse("Powering off: " MANAGER ": %s", strerror(errno));
}

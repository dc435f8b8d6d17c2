/* SPDX-License-Identifier: Apache-2.0 */

/* PCI devices that can be handed to a guest: the kernel's Documentation/driver-api/vfio.rst, and
 * sysfs-bus-pci and sysfs-kernel-iommu_groups of its Documentation/ABI. */

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "host/host_internal.h"

#define DEVICES "/sys/bus/pci/devices"
#define CLASS_BRIDGE "0x0604" /* PCI code and ID assignment specification: PCI-to-PCI bridge */

/* The last part of where a link leads; NULL: there is no such link. */
static char *link_name(const char *root, const char *device, const char *name)
{
        _cleanup_free_ char *path = NULL;
        char target[4096];
        const char *slash;
        ssize_t n;

        path = text_format("%s" DEVICES "/%s/%s", root, device, name);
        if (!path) {
                return NULL;
        }
        n = readlink(path, target, sizeof(target) - 1);
        if (n <= 0)
                return NULL;
        target[n] = 0;
        slash = strrchr(target, '/');
        return strdup(slash ? slash + 1 : target);
}

/* Whether a neighbour in the group leaves the device to a guest: a bridge, or
 * a device that no driver has but VFIO's. */
static bool is_harmless(const char *root, const char *device, const char *driver)
{
        _cleanup_free_ char *path = NULL, *class = NULL;

        if (!driver || strcmp(driver, "vfio-pci") == 0 || strcmp(driver, "pci-stub") == 0)
                return true;
        path = text_format(DEVICES "/%s/class", device);
        if (!path) {
                return false;
        }
        class = host_read_file(root, path);
        return class && strncmp(class, CLASS_BRIDGE, strlen(CLASS_BRIDGE)) == 0;
}

/* Another device of the group that the host's kernel drives; NULL: there is none. */
static char *find_neighbour(const char *root, const char *device, char **ret_driver)
{
        _cleanup_free_ char *path = NULL;
        char *found = NULL;
        struct dirent *entry;
        DIR *directory;

        path = text_format("%s" DEVICES "/%s/iommu_group/devices", root, device);
        if (!path) {
                return NULL;
        }
        directory = opendir(path);
        while (directory && !found && (entry = readdir(directory))) {
                _cleanup_free_ char *driver = NULL;

                if (entry->d_name[0] == '.' || strcmp(entry->d_name, device) == 0)
                        continue;
                driver = link_name(root, entry->d_name, "driver");
                if (is_harmless(root, entry->d_name, driver))
                        continue;
                found = strdup(entry->d_name);
                *ret_driver = TAKE_PTR(driver);
        }
        if (directory)
                closedir(directory);
        return found;
}

static int bind_fix(const char *device, char **ret)
{
        *ret = text_format("bind it to vfio-pci: `modprobe vfio-pci` and `driverctl set-override "
                           "%s vfio-pci` (package driverctl), or vfio-pci.ids=VENDOR:DEVICE on the "
                           "kernel command line",
                           device);
        return *ret ? 0 : -ENOMEM;
}

static int vfio_look(const char *root, const char *device, char **ret_path, HostCheck *ret)
{
        _cleanup_free_ char *path = NULL, *group = NULL, *driver = NULL, *fix = NULL;
        _cleanup_free_ char *neighbour = NULL, *neighbours_driver = NULL;
        uint64_t number;

        path = text_format(DEVICES "/%s", device);
        if (!path) {
                return -ENOMEM;
        }
        if (!host_file_exists(root, path))
                return host_verdict(ret, "`lspci -D` lists the devices of this host",
                                    "no PCI device has that address");
        group = link_name(root, device, "iommu_group");
        if (!group || text_parse_uint(group, 0, INT32_MAX, &number) < 0)
                return host_verdict(ret,
                                    "turn on the IOMMU (AMD-Vi, VT-d) in the firmware setup, and "
                                    "on Intel boot with intel_iommu=on",
                                    "a device without an IOMMU group");
        driver = link_name(root, device, "driver");
        if (!driver || strcmp(driver, "vfio-pci") != 0) {
                if (bind_fix(device, &fix) < 0)
                        return -ENOMEM;
                return host_verdict(ret, fix, "%s%s", driver ? "driver " : "no driver",
                                    driver ?: "");
        }
        neighbour = find_neighbour(root, device, &neighbours_driver);
        if (neighbour) {
                if (bind_fix(neighbour, &fix) < 0)
                        return -ENOMEM;
                return host_verdict(ret, fix,
                                    "IOMMU group %s, in which the host's driver %s is bound to %s",
                                    group, neighbours_driver ?: "", neighbour);
        }
        *ret_path = text_format("/dev/vfio/%s", group);
        if (!*ret_path)
                return -ENOMEM;
        return host_verdict(ret, NULL, "driver vfio-pci, IOMMU group %s", group);
}

int host_check_vfio(const char *root, const char *device, char **ret_path, HostCheck *ret)
{
        _cleanup_(host_check_done) HostCheck check = {};
        char *path = NULL;
        int r;

        check.needed = strdup("a PCI device bound to vfio-pci together with its whole IOMMU group");
        check.name = text_format("gpu:%s", device);
        if (!check.name || !check.needed)
                return -ENOMEM;
        r = vfio_look(root, device, &path, &check);
        if (r < 0) {
                free(path);
                return r;
        }
        *ret_path = path;
        *ret = TAKE_STRUCT(check);
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "power.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/input.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

void power_open(Power *power)
{
        DIR *directory = opendir("/dev/input");
        struct dirent *entry;

        power->n_fds = 0;
        while (directory && (entry = readdir(directory)) && power->n_fds < POWER_DEVICES_MAX) {
                int fd;

                if (strncmp(entry->d_name, "event", 5) != 0)
                        continue;
                fd = openat(dirfd(directory), entry->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
                if (fd >= 0)
                        power->fds[power->n_fds++] = fd;
        }
        if (directory)
                closedir(directory);
        if (power->n_fds == 0)
                log_error("no power button: this guest cannot be asked to power off");
}

bool power_is_pressed(int *fd)
{
        struct input_event events[16];
        bool pressed = false;
        ssize_t n;

        while ((n = read(*fd, events, sizeof(events))) > 0)
                for (size_t i = 0; i < (size_t)n / sizeof(events[0]); i++)
                        if (events[i].type == EV_KEY && events[i].code == KEY_POWER &&
                            events[i].value == 1)
                                pressed = true;
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
                close(*fd);
                *fd = -1;
        }
        return pressed;
}

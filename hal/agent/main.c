/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The guest's one program. As the first process it is all of the small image; in an image with a
 * service manager, it makes the root and becomes the service manager, and is started by that again
 * for each service.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/macros.h"
#include "init.h"
#include "root.h"
#include "service.h"

static const struct {
        const char *name;
        int (*run)(void);
} services[] = {
        {"serve", service_serve},
        {"network", service_network},
        {"power", service_power},
        {"ended", service_ended},
};

int main(int argc, char **argv)
{
        if (getpid() == 1) {
                if (root_has_layers())
                        root_run();
                init_run();
        }
        for (size_t i = 0; argc == 2 && i < ARRAY_SIZE(services); i++)
                if (strcmp(argv[1], services[i].name) == 0)
                        return services[i].run();
        fprintf(stderr, "Usage: cvm-agent serve|network|power|ended\n");
        return 64;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/buffer.h"
#include "local/config.h"

int config_keep_fixed(Config *config, const Config *old, char **ret_fixed)
{
        const struct {
                const char *name;
                char **now;
                const char *then;
        } fixed[] = {
                {"templates", &config->templates, old->templates},
                {"guest", &config->guest, old->guest},
                {"groups.users", &config->users_group, old->users_group},
                {"groups.admins", &config->admins_group, old->admins_group},
                {"libvirt.uri", &config->libvirt_uri, old->libvirt_uri},
                {"libvirt.user", &config->libvirt_user, old->libvirt_user},
        };
        _cleanup_(buffer_done) Buffer names = {};
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(fixed); i++) {
                char *copy;

                if (strcmp(*fixed[i].now, fixed[i].then) == 0)
                        continue;
                copy = strdup(fixed[i].then);
                if (!copy)
                        return -ENOMEM;
                free(*fixed[i].now);
                *fixed[i].now = copy;
                r = buffer_appendf(&names, "%s%s", names.size ? ", " : "", fixed[i].name);
        }
        if (r >= 0 && config->machined != old->machined) {
                config->machined = old->machined;
                r = buffer_appendf(&names, "%smachined", names.size ? ", " : "");
        }
        if (r >= 0 && config->console_files != old->console_files) {
                config->console_files = old->console_files;
                r = buffer_appendf(&names, "%sconsole.files", names.size ? ", " : "");
        }
        if (r < 0)
                return r;
        *ret_fixed = names.size ? buffer_take(&names) : NULL;
        return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */

/* Instead of domain.c and domain_file.c in a build without libvirt: no domain is ever read. */

#include "template/domain.h"

bool domain_is_built(void)
{
        return false;
}

int domain_file_new(const char *name, const char *path, const char *text, size_t size,
                    DomainFile **ret, CvmError *error)
{
        return cvm_error_template(error, name, "this build does not read XML");
}

int domain_file_load(DomainFile *file, CvmError *error)
{
        return 0;
}

DomainFile *domain_file_free(DomainFile *file)
{
        return NULL;
}

const char *domain_file_name(const DomainFile *file)
{
        return "";
}

const char *domain_file_label(const DomainFile *file)
{
        return "";
}

const void *domain_file_fragment(const DomainFile *file, const char *name)
{
        return NULL;
}

int domain_render(Walk *walk, const DomainFile *file)
{
        return walk_fail(walk, "this build does not read XML");
}

LibvirtNeeds domain_file_needs(const DomainFile *file)
{
        return (LibvirtNeeds){};
}

/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A platform's libvirt domain. A build without libvirt has domain_none.c, which has no domain. */

#include "template/walk.h"

/* Renders a platform's libvirt domain into walk->plan. */
int domain_render(Walk *walk, const DomainFile *file);

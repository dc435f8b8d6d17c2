/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/allotment.h"

#include <stdlib.h>

void allotment_done(Allotment *allotment)
{
        free(allotment->qemu);
        *allotment = (Allotment){};
}

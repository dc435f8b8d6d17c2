/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* JSON, by json-c: parsing, access to what was parsed, and objects taken apart by a table. */

#include "base/json_access.h"
#include "base/json_dispatch.h"
#include "base/json_parse.h"
#include "base/json_write.h"

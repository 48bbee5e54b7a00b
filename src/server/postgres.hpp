/// PostgreSQL's C headers, for C++.
///
/// The C++ library comes first: port.h defines macros over names of the C library.
#pragma once

#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>

extern "C"
{
#include "postgres.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
}
